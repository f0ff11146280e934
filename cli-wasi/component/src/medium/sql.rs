//! The PostgreSQL server that the host asks.

use std::time::Duration;

use coord_core::layout;
use coord_core::layout::Dir;
use coord_core::queue::Notice;
use coord_core::store::StoreError;
use coord_core::{Timestamp, limits};
use coord_sql::{
    About, Answer, Asked, EngineClock, Failure, FailureKind, Row, Schema, Server, SqlStore, VERSION, rows_of,
    statements,
};
use coord_store::Sync;
use wasip2::clocks::monotonic_clock;

use crate::bindings::exports::muse::coord::types::Error;
use crate::bindings::muse::coord::sql as host;

/// The store of a server. What has to be durable is, whatever `set-durability` says.
pub(crate) type QueueStore = SqlStore<Client>;

/// Passes statements to the host.
#[derive(Debug)]
pub(crate) struct Client {
    schema: Schema,
    /// What people call the server and its database.
    name: String,
    format: Option<Vec<u8>>,
}

/// Sleeps until the next look: the server tells nobody of changes.
#[derive(Debug, Default)]
pub(crate) struct Sleep {}

thread_local! {
    static CLOCK: EngineClock = EngineClock::default();
}

/// The queue in the host's schema, which has to be there.
pub(crate) fn open(_: Sync) -> Result<QueueStore, Error> {
    let mut client = Client::new()?;
    client.format = client.opened().map_err(|failure| client.unopened(&failure))?;
    Ok(SqlStore::new(client))
}

/// Makes the schema, if it is not there.
pub(crate) fn make() -> Result<(), Error> {
    let client = Client::new()?;
    let made = match client.opened() {
        Err(failure) if failure.kind == FailureKind::NoQueue => rows_from(&client.schema.creation(), &[]).map(|_| ()),
        opened => opened.map(|_| ()),
    };
    Ok(made.map_err(|failure| client.unopened(&failure))?)
}

/// The server's clock.
pub(crate) fn now() -> Timestamp {
    CLOCK.with(|clock| clock.time_at(moment()))
}

impl Client {
    fn new() -> Result<Client, Error> {
        let host::Place { name, schema } = host::whereabouts();
        if !Schema::may_be(&schema) {
            return Err(Error::BadArgs(format!("the schema must be {}, and the host names {schema:?}", Schema::RULE)));
        }
        Ok(Client { schema: Schema::new(&schema), name, format: None })
    }

    /// Learns what the queue's format is, and the server's time.
    fn opened(&self) -> Result<Option<Vec<u8>>, Failure> {
        let asked = Asked::new(statements::OPENING).text(layout::format().to_string()).int(limits::RECORD_BYTES);
        let sent = moment();
        let mut row = self.answer(&asked)?.pop().unwrap_or_default();
        let (version, format, time): (i32, _, _) = (row.take(0)?, row.take(1)?, row.take(2)?);
        if version > VERSION {
            let kind = FailureKind::Refused;
            let words = format!(
                "the queue's schema is version {version}, and this component knows {VERSION}: use a newer \
                 muse-coord-sql.wasm"
            );
            return Err(Failure { kind, words });
        }
        CLOCK.with(|clock| clock.learn_anew(time, sent, moment()));
        Ok(format)
    }

    fn unopened(&self, failure: &Failure) -> coord_core::Error {
        let place = format!("schema {:?} of {}", self.schema.name(), self.name);
        let about = About { operation: "open", path: &place };
        let error = match failure.kind {
            FailureKind::NoQueue => {
                about.unreachable("there is no queue: make it by `admin.init`, or by `muse coord init --store URL`")
            }
            _ => about.failed(failure),
        };
        error.into()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let (statement, values) = asked.in_texts(&self.schema);
        rows_from(&statement, &values)
    }

    /// What several looks answer, which are asked as one.
    fn looked(&self, looks: &[Asked]) -> Vec<Answer> {
        let (statement, values) = Asked::as_one(looks, &self.schema);
        match rows_from(&statement, &values).and_then(first_of) {
            Ok(mut row) => (0..looks.len()).map(|place| rows_of(&row.take::<String>(place)?)).collect(),
            Err(failure) => vec![Err(failure); looks.len()],
        }
    }

    /// Learns what time it is there, now and then. It asks when a call has what it wanted: a lease begins before.
    fn learn_time(&self) {
        let sent = moment();
        if CLOCK.with(|clock| clock.is_old(sent)) {
            let told = self.answer(&Asked::new(statements::TIME)).and_then(|rows| first_of(rows)?.take(0));
            if let Ok(time) = told {
                CLOCK.with(|clock| clock.learn(time, sent, moment()));
            }
        }
    }
}

impl Server for Client {
    fn format(&self) -> Option<Vec<u8>> {
        self.format.clone()
    }

    fn ask(&self, asked: Vec<Asked>) -> Result<Vec<Answer>, StoreError> {
        let answers = asked.iter().map(|one| self.answer(one)).collect();
        self.learn_time();
        Ok(answers)
    }

    fn look(&self, asked: Vec<Asked>) -> Result<Vec<Answer>, StoreError> {
        let answers = asked.chunks(Asked::MOST_AS_ONE).flat_map(|looks| self.looked(looks)).collect();
        self.learn_time();
        Ok(answers)
    }
}

fn first_of(rows: Vec<Row>) -> Result<Row, Failure> {
    rows.into_iter().next().ok_or_else(|| Failure::lost("the host answered no row"))
}

/// Has the host ask.
fn rows_from(statement: &str, values: &[Option<String>]) -> Answer {
    let rows = host::query(statement, values).map_err(|failure| match failure {
        host::Failure::Unreached(words) => Failure { kind: FailureKind::Refused, words },
        host::Failure::Refused(host::Refusal { code, message, is_fatal }) => {
            Failure::of_server(&code, is_fatal, &message)
        }
        host::Failure::Lost(words) => Failure::lost(words),
    })?;
    Ok(rows.into_iter().map(Row::of_texts).collect())
}

/// The time since any moment, by a clock that never jumps.
fn moment() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

impl Sleep {
    /// It sleeps for as long, whatever comes.
    pub(crate) fn watch(&mut self, _store: &QueueStore, _dirs: impl Iterator<Item = Dir>) {}

    /// Sleeps for so long.
    pub(crate) fn sleep(&mut self, time: Duration) -> Notice {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::subscribe_duration(nanos).block();
        Notice::None
    }
}
