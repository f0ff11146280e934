//! A server by a client of this program, and the connection by which it is asked.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use coord_core::Timestamp;
use coord_core::layout::Dir;
use coord_core::store::StoreError;
use coord_core::store::fused::Stirred;
use coord_sql::{About, Answer, Asked, Schema, Server, SqlStore};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::address::Address;
use crate::clock::SteadyClock;
use crate::dial::Line;
use crate::error::OpenError;
use crate::password::Passwords;
use crate::session::Session;

/// A queue in a schema of a PostgreSQL database.
pub type PostgresStore = SqlStore<Postgres>;

/// A PostgreSQL server, which is asked by one connection at a time.
pub struct Postgres {
    pub(crate) runtime: Runtime,
    line: Line,
    schema: Rc<Schema>,
    clock: Rc<SteadyClock>,
    session: RefCell<Rc<Session>>,
    /// What `format.json` held when the queue was opened.
    format: Option<Vec<u8>>,
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

/// Opens the queue at an address. Fails if there is none: work must not land in a queue that nobody made.
///
/// A connection that was lost is opened anew for the next call; no change is sent again.
///
/// # Panics
/// Inside a runtime of `tokio`, since it waits. So does each call.
pub fn open(address: &Address, passwords: Passwords) -> Result<PostgresStore, OpenError> {
    Postgres::opened(address, passwords, IfNone::Fail).map(SqlStore::new)
}

/// As [`open`], but makes the schema and its tables if they are not there.
///
/// # Panics
/// As [`open`].
pub fn create(address: &Address, passwords: Passwords) -> Result<PostgresStore, OpenError> {
    Postgres::opened(address, passwords, IfNone::Make).map(SqlStore::new)
}

impl Postgres {
    fn opened(address: &Address, passwords: Passwords, if_none: IfNone) -> Result<Postgres, OpenError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OpenError::Runtime)?;
        let line = Line::new(address, passwords)?;
        let (schema, clock) = (Rc::new(Schema::new(address.schema())), Rc::new(SteadyClock::default()));
        let (session, format) = runtime.block_on(connect(&line, &schema, &clock, if_none))?;
        Ok(Postgres { runtime, line, schema, clock, session: RefCell::new(Rc::new(session)), format })
    }

    /// The server's time. It is told with the connection, and then each minute with something that is asked anyway, so
    /// this costs no trip. It is never ahead, behind by a round trip at most, and does not go back while a connection
    /// lasts.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// True if no pooler is between here and the server, so that statements are prepared, and a waiter can be notified.
    pub fn is_direct(&self) -> bool {
        self.session.borrow().is_direct()
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

impl Server for Postgres {
    fn format(&self) -> Option<Vec<u8>> {
        self.format.clone()
    }

    fn ask(&self, asked: Vec<Asked>) -> Result<Vec<Answer>, StoreError> {
        let about = About { operation: "reach", path: &"asking the server" };
        let session = self.connected().map_err(|error| about.unreachable(&error.to_string()))?;
        let answers = self.runtime.block_on(async { timeout(seconds(ANSWER_SECONDS), session.ask(&asked)).await });
        answers.map_err(|_| {
            // What comes late belongs to nobody any more.
            session.give_up();
            about.lost(&OpenError::NoAnswer(ANSWER_SECONDS).to_string())
        })
    }

    fn stirred(&self, dirs: &[Dir], at_most: Duration) -> Result<Stirred, StoreError> {
        self.wait_for(dirs, at_most)
    }
}

async fn connect(
    line: &Line,
    schema: &Rc<Schema>,
    clock: &Rc<SteadyClock>,
    if_none: IfNone,
) -> Result<(Session, Option<Vec<u8>>), OpenError> {
    let session = Session::open(line, schema.clone(), clock.clone(), if_none);
    timeout(seconds(CONNECT_SECONDS), session).await.unwrap_or(Err(OpenError::NoAnswer(CONNECT_SECONDS)))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
