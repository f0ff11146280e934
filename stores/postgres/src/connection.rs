//! A queue on a server: what is asked of it, and by which connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use coord_core::Timestamp;
use coord_core::store::StoreError;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::{Error, Row};

use crate::address::Address;
use crate::asked::Asked;
use crate::clock::EngineClock;
use crate::dial::Line;
use crate::error::{About, OpenError};
use crate::password::Passwords;
use crate::session::Session;
use crate::statements::Schema;

/// A queue in a schema of a PostgreSQL database.
pub struct PostgresStore {
    pub(crate) runtime: Runtime,
    line: Line,
    schema: Rc<Schema>,
    clock: Rc<EngineClock>,
    session: RefCell<Rc<Session>>,
    /// What `format.json` held when the queue was opened.
    pub(crate) format: Option<Vec<u8>>,
}

/// What to do where there is no queue yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfNone {
    Make,
    Fail,
}

/// A server that takes longer to be connected to is not waited for.
const CONNECT_SECONDS: u64 = 15;

/// The server itself gives up after 30 seconds, unless a pooler is in between. If it says nothing at all, the network
/// may be gone.
const ANSWER_SECONDS: u64 = 40;

impl PostgresStore {
    /// Opens the queue at an address. Fails if there is none: work must not land in a queue that nobody made.
    ///
    /// A connection that was lost is opened anew for the next call; no change is sent again.
    ///
    /// # Panics
    /// Inside a runtime of `tokio`, since it waits. So does each call.
    pub fn open(address: &Address, passwords: Passwords) -> Result<PostgresStore, OpenError> {
        PostgresStore::opened(address, passwords, IfNone::Fail)
    }

    /// As [`PostgresStore::open`], but makes the schema and its tables if they are not there.
    ///
    /// # Panics
    /// As [`PostgresStore::open`].
    pub fn create(address: &Address, passwords: Passwords) -> Result<PostgresStore, OpenError> {
        PostgresStore::opened(address, passwords, IfNone::Make)
    }

    fn opened(address: &Address, passwords: Passwords, if_none: IfNone) -> Result<PostgresStore, OpenError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OpenError::Runtime)?;
        let line = Line::new(address, passwords)?;
        let (schema, clock) = (Rc::new(Schema::new(address.schema())), Rc::new(EngineClock::default()));
        let (session, format) = runtime.block_on(connect(&line, &schema, &clock, if_none))?;
        Ok(PostgresStore { runtime, line, schema, clock, session: RefCell::new(Rc::new(session)), format })
    }

    /// The server's time. It is told with the connection, and then each minute with something that is asked anyway, so
    /// this costs no trip. It is off by half a round trip at most, and does not go back while a connection lasts.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// True if no pooler is between here and the server, so that statements are prepared, and a waiter can be notified.
    pub fn is_direct(&self) -> bool {
        self.session.borrow().is_direct()
    }

    /// Sends statements together, in order; each is a transaction of its own, and sees what those before have done.
    pub(crate) fn together(&self, asked: &[Asked]) -> Result<Vec<Result<Vec<Row>, Error>>, StoreError> {
        let about = About { operation: "reach", path: &"asking the server" };
        let session = self.connected().map_err(|error| about.unreachable(&error))?;
        let answers = self.runtime.block_on(async { timeout(seconds(ANSWER_SECONDS), session.ask(asked)).await });
        answers.map_err(|_| {
            // What comes late belongs to nobody any more.
            session.give_up();
            about.failure(&OpenError::NoAnswer(ANSWER_SECONDS).to_string())
        })
    }

    /// What one statement answers.
    pub(crate) fn one(&self, asked: Asked) -> Result<Result<Vec<Row>, Error>, StoreError> {
        Ok(self.together(&[asked])?.pop().unwrap_or_else(|| Ok(Vec::new())))
    }

    /// The rows that a statement answers.
    pub(crate) fn rows(&self, about: &About<'_>, asked: Asked) -> Result<Vec<Row>, StoreError> {
        self.one(asked)?.map_err(|error| about.failed(&error))
    }

    /// The one row that a statement answers, if it does.
    pub(crate) fn row(&self, about: &About<'_>, asked: Asked) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(about, asked)?.into_iter().next())
    }

    /// A connection: the one that there is, unless it was lost.
    pub(crate) fn connected(&self) -> Result<Rc<Session>, OpenError> {
        if self.session.borrow().is_closed() {
            let (session, _) = self.runtime.block_on(connect(&self.line, &self.schema, &self.clock, IfNone::Fail))?;
            self.session.replace(Rc::new(session));
        }
        Ok(self.session.borrow().clone())
    }
}

async fn connect(
    line: &Line,
    schema: &Rc<Schema>,
    clock: &Rc<EngineClock>,
    if_none: IfNone,
) -> Result<(Session, Option<Vec<u8>>), OpenError> {
    let session = Session::open(line, schema.clone(), clock.clone(), if_none);
    timeout(seconds(CONNECT_SECONDS), session).await.unwrap_or(Err(OpenError::NoAnswer(CONNECT_SECONDS)))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
