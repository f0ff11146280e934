//! A connection to a queue, and the statements that its server knows already.
//!
//! Nothing depends on what a session keeps, so a pooler may lend it another server for each transaction. Where there is
//! none, a session keeps what makes it quicker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use coord_core::{layout, limits};
use coord_sql::{Answer, Asked, FailureKind, Schema, VERSION, Value, statements};
use futures_util::future::{OptionFuture, join, join_all};
use tokio_postgres::{Client, Statement};

use crate::clock::SteadyClock;
use crate::connection::IfNone;
use crate::dial::Line;
use crate::direct::greeted_id;
use crate::error::OpenError;
use crate::row::{answer, typed_values};
use crate::waiting::{Ear, Waits};

/// A connection to a queue.
pub(crate) struct Session {
    client: Client,
    schema: Rc<Schema>,
    clock: Rc<SteadyClock>,
    /// True if there is no pooler in between.
    is_direct: Cell<bool>,
    known: RefCell<HashMap<&'static str, Known>>,
    is_given_up: Cell<bool>,
    ear: Arc<Ear>,
    waits: RefCell<Option<Waits>>,
}

/// A statement that was asked before.
struct Known {
    text: Rc<str>,
    trips: u32,
    prepared: Option<Statement>,
}

/// The id of no server's process.
const NO_PROCESS: i32 = -1;

/// In which trip a statement is prepared. A process that is there for one operation asks none as often.
const PREPARED_IN_TRIP: u32 = 3;

/// How a statement is sent.
enum Way {
    Text(Rc<str>),
    Prepared(Statement),
}

impl Session {
    /// Connects to the schema. Also answers what `format.json` holds.
    pub(crate) async fn open(
        line: &Line,
        schema: Rc<Schema>,
        clock: Rc<SteadyClock>,
        if_none: IfNone,
    ) -> Result<(Session, Option<Vec<u8>>), OpenError> {
        let ear = Arc::new(Ear::default());
        let client = line.dial(&ear).await?;
        let id = greeted_id(&client, line.has_tls()).await;
        let (is_direct, is_given_up) = (Cell::new(false), Cell::new(false));
        let (known, waits) = (RefCell::default(), RefCell::default());
        let session = Session { client, schema, clock, is_direct, known, is_given_up, ear, waits };
        let format = match session.begin(id).await? {
            Some(format) => format,
            None if if_none == IfNone::Fail => return Err(OpenError::NoQueue(session.schema.name().to_string())),
            None => {
                session.client.batch_execute(&session.schema.creation()).await?;
                session.begin(id).await?.flatten()
            }
        };
        Ok((session, format))
    }

    /// What a session begins with, in one trip; `None`: there is no queue.
    async fn begin(&self, id: Option<i32>) -> Result<Option<Option<Vec<u8>>>, OpenError> {
        let greeting = Asked::new(statements::GREETING).with(Value::Int4(id.unwrap_or(NO_PROCESS)));
        let version = Asked::new(statements::VERSION);
        let format = Asked::new(statements::READ).text(layout::format().to_string()).int(limits::RECORD_BYTES);
        let rest = [version, format];
        let (greeted, answers) = join(self.timed(&greeting), self.exchange(&rest)).await;
        let (sent, answered, rows) = greeted;
        if let Some(mut row) = rows?.into_iter().next() {
            self.is_direct.set(row.take(0)?);
            self.clock.learn_anew(row.take(1)?, sent, answered);
        }
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Ok(Vec::new()));
        let version = match next() {
            Err(failure) if failure.kind == FailureKind::NoQueue => return Ok(None),
            rows => rows?.first_mut().map(|row| row.take(0)).transpose()?,
        };
        match version {
            Some(version) if version > VERSION => Err(OpenError::Newer(version)),
            _ => Ok(Some(next()?.first_mut().map(|row| row.take(0)).transpose()?)),
        }
    }

    /// True if nothing can be asked by this connection any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_given_up.get() || self.client.is_closed()
    }

    /// Nothing more is asked, as an answer is still to come.
    pub(crate) fn give_up(&self) {
        self.is_given_up.set(true);
    }

    /// True if statements are prepared: there is no pooler in between.
    pub(crate) fn is_direct(&self) -> bool {
        self.is_direct.get()
    }

    /// Sends statements together, in order; each is a transaction of its own, and sees what those before have done.
    ///
    /// Before them goes now and then the question for the time, where nothing delays it; and after a wait, that nothing
    /// more is to be told: nobody would read it.
    pub(crate) async fn ask(&self, asked: &[Asked]) -> Vec<Answer> {
        let time = Asked::new(statements::TIME);
        let time = self.clock.is_old().then(|| self.timed(&time));
        let unlisten = Asked::new(statements::UNLISTEN);
        let unlisten = self.waits.borrow_mut().take_if(|waits| waits.is_over()).map(|_| self.send(&unlisten));
        let before = join(OptionFuture::from(time), OptionFuture::from(unlisten));
        let ((told, _), answers) = join(before, self.exchange(asked)).await;
        if let Some((sent, answered, Ok(mut rows))) = told
            && let Some(Ok(micros)) = rows.first_mut().map(|row| row.take(0))
        {
            self.clock.learn(micros, sent, answered);
        }
        answers
    }

    /// What hears for this connection.
    pub(crate) fn ear(&self) -> &Ear {
        &self.ear
    }

    /// Where this connection waits.
    pub(crate) fn waits<T>(&self, read: impl FnOnce(Option<&Waits>) -> T) -> T {
        read(self.waits.borrow().as_ref())
    }

    pub(crate) fn set_waits(&self, waits: Waits) {
        self.waits.replace(Some(waits));
    }

    /// Sends statements together. Behind them goes what prepares those that were asked often: it takes no trip.
    async fn exchange(&self, asked: &[Asked]) -> Vec<Answer> {
        let mut often: Vec<&Asked> = Vec::new();
        for one in asked {
            if self.is_asked_often(one.sql) && often.iter().all(|known| known.sql != one.sql) {
                often.push(one);
            }
        }
        // A statement is sent when its answer is first asked for, and these are asked in order.
        let answers = join_all(asked.iter().map(|one| self.send(one)));
        let (answers, prepared) = join(answers, join_all(often.iter().map(|one| self.prepare(one)))).await;
        let mut known = self.known.borrow_mut();
        for (sql, statement) in often.iter().map(|one| one.sql).zip(prepared) {
            // One that cannot be prepared goes on as text.
            known.entry(sql).and_modify(|known| known.prepared = statement);
        }
        answers
    }

    /// Counts a trip, and tells if the statement is to be prepared in it.
    fn is_asked_often(&self, sql: &'static str) -> bool {
        let mut known = self.known.borrow_mut();
        let text = || Known { text: self.schema.qualify(sql).into(), trips: 0, prepared: None };
        let known = known.entry(sql).or_insert_with(text);
        known.trips = known.trips.saturating_add(1);
        known.trips == PREPARED_IN_TRIP && self.is_direct.get()
    }

    async fn prepare(&self, asked: &Asked) -> Option<Statement> {
        let text = self.known.borrow().get(asked.sql).map(|known| known.text.clone())?;
        let types: Vec<_> = typed_values(asked).into_iter().map(|(_, of)| of).collect();
        self.client.prepare_typed(&text, &types).await.ok()
    }

    async fn send(&self, asked: &Asked) -> Answer {
        let values = typed_values(asked);
        answer(match self.way(asked.sql) {
            Way::Prepared(statement) => {
                let values: Vec<_> = values.into_iter().map(|(value, _)| value).collect();
                self.client.query(&statement, &values).await
            }
            Way::Text(text) => self.client.query_typed(&text, &values).await,
        })
    }

    fn way(&self, sql: &'static str) -> Way {
        match self.known.borrow().get(sql) {
            Some(Known { prepared: Some(statement), .. }) => Way::Prepared(statement.clone()),
            Some(Known { text, .. }) => Way::Text(text.clone()),
            None => Way::Text(self.schema.qualify(sql).into()),
        }
    }

    /// The answer to a statement, and when it was sent and answered.
    async fn timed(&self, asked: &Asked) -> (Instant, Instant, Answer) {
        let sent = Instant::now();
        let rows = self.send(asked).await;
        (sent, Instant::now(), rows)
    }
}
