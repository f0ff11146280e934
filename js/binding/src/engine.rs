//! A queue on an engine that JavaScript asks, by whatever client its caller has.
//!
//! A call of a queue returns at once, and an engine's answer takes a while. So a call is run as often as it has
//! questions: see [`coord_core::replay`]. JavaScript runs it, awaits the answer to the question that is open, and runs
//! it again, until none is (`js/src/engine.ts`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use coord_core::replay::Tape;
use coord_core::store::{StoreError, StoreErrorKind};
use coord_core::{Timestamp, layout, limits};
use coord_sql::{
    Answer, Asked, EngineClock, Failure, FailureKind, Schema, Server, SqlStore, VERSION, rows_of, statements,
};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::medium::Medium;
use crate::queue::CoordQueue;
use crate::thrown::Thrown;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What a queue on an engine needs of the world. */
export interface Surroundings {
  /** Milliseconds since any moment, by a clock that never jumps. */
  moment(): number;
  /** Sixty-four random bits. */
  nonce(): bigint;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// See [`TYPES`].
    #[wasm_bindgen(typescript_type = "Surroundings")]
    pub type Surroundings;

    #[wasm_bindgen(method)]
    fn moment(this: &Surroundings) -> f64;
    #[wasm_bindgen(method)]
    fn nonce(this: &Surroundings) -> u64;
}

/// A schema of a PostgreSQL server, for all calls at once.
#[wasm_bindgen]
pub struct Engine(Rc<Shared>);

struct Shared {
    schema: Schema,
    clock: EngineClock,
    surroundings: Surroundings,
    format: RefCell<Option<Vec<u8>>>,
    /// See [`CoordQueue::not_yet_told`].
    told: Rc<RefCell<Vec<String>>>,
    /// How many calls have put a task somewhere.
    fills: Cell<u64>,
}

/// What is to be asked.
#[wasm_bindgen]
pub struct Question {
    text: String,
    values: Vec<Option<String>>,
    /// True if it stands for several looks: the answer is one row of texts.
    #[wasm_bindgen(readonly, js_name = isSeveral)]
    pub is_several: bool,
}

/// What passes the questions of one call on.
#[derive(Clone)]
pub(crate) struct Client {
    engine: Rc<Shared>,
    tape: Rc<Tape<Asking, Vec<Answer>>>,
    /// How many calls had done so when this queue last looked.
    fills_seen: Rc<Cell<u64>>,
}

/// What is asked at once.
#[derive(Clone, PartialEq)]
enum Asking {
    Statement(Asked),
    Looks(Vec<Asked>),
}

#[wasm_bindgen]
impl Question {
    /// The statement.
    #[wasm_bindgen(getter)]
    pub fn text(&self) -> String {
        self.text.clone()
    }

    /// The values of its parameters, each a text or null.
    #[wasm_bindgen(getter, unchecked_return_type = "(string | null)[]")]
    pub fn values(&self) -> Vec<JsValue> {
        self.values.iter().map(|value| value.as_deref().map_or(JsValue::NULL, JsValue::from_str)).collect()
    }
}

impl From<(String, Vec<Option<String>>)> for Question {
    fn from((text, values): (String, Vec<Option<String>>)) -> Question {
        Question { text, values, is_several: false }
    }
}

#[wasm_bindgen]
impl Engine {
    /// The schema of this name. It has to be opened.
    #[wasm_bindgen(constructor)]
    pub fn new(schema: &str, surroundings: Surroundings) -> Result<Engine, Thrown> {
        if !Schema::may_be(schema) {
            return Err(Thrown::bad_args(format!("schema must be {}, got {schema:?}", Schema::RULE)));
        }
        let (schema, clock) = (Schema::new(schema), EngineClock::default());
        let (format, told, fills) = (RefCell::default(), Rc::default(), Cell::default());
        Ok(Engine(Rc::new(Shared { schema, clock, surroundings, format, told, fills })))
    }

    /// What is asked before anything else.
    pub fn opening(&self) -> Question {
        let asked = Asked::new(statements::OPENING).text(layout::format().to_string()).int(limits::RECORD_BYTES);
        asked.in_texts(&self.0.schema).into()
    }

    /// What makes the schema, if it is not there.
    pub fn creation(&self) -> Question {
        (self.0.schema.creation(), Vec::new()).into()
    }

    /// The rows that answer the opening, which was sent at a moment.
    pub fn opened(&self, rows: &str, sent: f64) -> Result<(), Thrown> {
        let read = || -> Result<(i32, Option<Vec<u8>>, i64), Failure> {
            let mut row = rows_of(rows)?.pop().unwrap_or_default();
            Ok((row.take(0)?, row.take(1)?, row.take(2)?))
        };
        let (version, format, time) = read().map_err(|failure| Thrown::of_engine(failure.words))?;
        if version > VERSION {
            return Err(Thrown::of_engine(format!(
                "the queue's schema is version {version}, and this package knows {VERSION}: use a newer @muse/coord"
            )));
        }
        self.0.clock.learn_anew(time, from_millis(sent), self.0.moment());
        let is_there = format.is_some();
        self.0.format.replace(format);
        if is_there {
            // It asks nothing, and looks whether this package knows the format.
            self.queue().open()?;
        }
        Ok(())
    }

    /// What asks for the server's time, if it was told too long ago.
    pub fn time(&self) -> Option<Question> {
        let asked = || Asked::new(statements::TIME).in_texts(&self.0.schema).into();
        self.0.clock.is_old(self.0.moment()).then(asked)
    }

    /// The rows that answer it.
    pub fn told(&self, rows: &str, sent: f64) {
        // Until the next time, what was told before holds.
        if let Ok(time) = rows_of(rows).and_then(|mut rows| rows.pop().unwrap_or_default().take(0)) {
            self.0.clock.learn(time, from_millis(sent), self.0.moment());
        }
    }

    /// The queue, for one call at a time.
    pub fn queue(&self) -> CoordQueue {
        let client = Client { engine: self.0.clone(), tape: Rc::default(), fills_seen: Rc::default() };
        CoordQueue::of(Medium::Engine(SqlStore::new(client)), self.0.told.clone())
    }
}

impl Shared {
    fn moment(&self) -> Duration {
        from_millis(self.surroundings.moment())
    }
}

impl Client {
    /// The server's time, the same as in an earlier run.
    pub(crate) fn now(&self) -> Timestamp {
        self.tape.time(|| self.engine.clock.time_at(self.engine.moment()))
    }

    /// A random number, the same as in an earlier run.
    pub(crate) fn nonce(&self) -> u64 {
        self.tape.number(|| self.engine.surroundings.nonce())
    }

    /// True if the run counts for nothing: a question is open.
    pub(crate) fn is_void(&self) -> bool {
        self.tape.is_void()
    }

    /// The question that is open.
    pub(crate) fn question(&self) -> Option<Question> {
        let schema = &self.engine.schema;
        Some(match self.tape.open()? {
            Asking::Statement(asked) => asked.in_texts(schema).into(),
            Asking::Looks(asked) => Question { is_several: true, ..Asked::as_one(&asked, schema).into() },
        })
    }

    /// The rows that answer a statement.
    pub(crate) fn answered(&self, rows: &str) {
        self.tape.answer(vec![rows_of(rows)]);
    }

    /// The columns that answer several looks: the rows of each.
    pub(crate) fn answered_in_one(&self, columns: &[String]) {
        self.tape.answer(columns.iter().map(|rows| rows_of(rows)).collect());
    }

    /// It was not answered: by a refusal with a code of SQL, or for a reason of the client's.
    pub(crate) fn failed(&self, code: Option<&str>, severity: Option<&str>, words: &str) {
        let failure = failure_of(code, severity, words);
        let asked = match self.tape.open() {
            Some(Asking::Looks(asked)) => asked.len(),
            _ => 1,
        };
        self.tape.answer(vec![Err(failure); asked]);
    }

    /// True if other queues of this engine have put tasks somewhere since the last call of this.
    pub(crate) fn others_have_filled(&self) -> bool {
        let fills = self.engine.fills.get();
        self.fills_seen.replace(fills) != fills
    }

    /// Other queues of this engine are to look anew before they claim.
    pub(crate) fn tell_others(&self) {
        self.engine.fills.set(self.engine.fills.get().wrapping_add(1));
    }

    /// The call is over, and has perhaps put a task somewhere.
    pub(crate) fn end(&self, has_filled: bool) {
        self.tape.clear();
        if has_filled {
            self.tell_others();
            // Of what it did itself this queue knows, unless another one was at work, too.
            if self.fills_seen.get().wrapping_add(1) == self.engine.fills.get() {
                self.fills_seen.set(self.engine.fills.get());
            }
        }
    }

    fn answers(&self, asked: Asking) -> Result<Vec<Answer>, StoreError> {
        self.tape.ask(asked).map_err(|unanswered| StoreError {
            operation: "ask",
            path: String::new(),
            kind: StoreErrorKind::EngineLost,
            detail: unanswered.to_string(),
        })
    }
}

impl Server for Client {
    fn format(&self) -> Option<Vec<u8>> {
        self.engine.format.borrow().clone()
    }

    fn ask(&self, asked: Vec<Asked>) -> Result<Vec<Answer>, StoreError> {
        let mut answers = Vec::new();
        for one in asked {
            answers.extend(self.answers(Asking::Statement(one))?);
        }
        Ok(answers)
    }

    fn look(&self, asked: Vec<Asked>) -> Result<Vec<Answer>, StoreError> {
        let mut answers = Vec::new();
        for looks in asked.chunks(Asked::MOST_AS_ONE) {
            answers.extend(self.answers(Asking::Looks(looks.to_vec()))?);
        }
        Ok(answers)
    }
}

/// Codes by which a client says that it has not come to the server. A connection that is there does not end by them.
const UNREACHED: [&str; 4] = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENOENT"];

/// Classes of SQL codes by which the session ends, or what became of the statement is not known.
const ENDING: [&str; 5] = ["08", "53", "57", "58", "XX"];

fn failure_of(code: Option<&str>, severity: Option<&str>, words: &str) -> Failure {
    match code {
        Some(code) if is_of_sql(code) => {
            // In some clients the word is in the server's language.
            let is_fatal = severity.is_some_and(|severity| ["FATAL", "PANIC"].contains(&severity));
            let may_end = severity != Some("ERROR") && ENDING.iter().any(|class| code.starts_with(class));
            Failure::of_server(code, is_fatal || may_end, words)
        }
        Some(code) if UNREACHED.contains(&code) => Failure { kind: FailureKind::Refused, words: words.to_string() },
        _ => Failure::lost(words),
    }
}

/// As `23505`, and not `EPIPE`.
fn is_of_sql(code: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    code.len() == 5 && code.bytes().all(is_letter) && code.bytes().any(|byte| byte.is_ascii_digit())
}

fn from_millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default()
}
