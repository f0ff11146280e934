//! What is compared, behind one trait. Each fills a directory with a backlog, lets agents work on it, and counts what
//! has ended.

mod beanstalkd;
mod coord;
mod raw;
mod sqlite;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;
use coord_store::Sync;

use crate::program::{Programs, Server};

pub(crate) use coord::{Coord, fill_queue, open};
pub(crate) use sqlite::fill_durably;
use sqlite::{Setting, Waiting};

/// One that works tasks off, one after the other.
pub(crate) trait Agent {
    /// Adds a task, as durable as everything that it does.
    fn enqueue(&mut self, number: u64) -> Result<()>;
    /// Takes the next task; false: there is none.
    fn claim(&mut self) -> Result<bool>;
    /// Ends the task that it claimed, which nobody else may have ended.
    fn complete(&mut self) -> Result<()>;
    /// The same, with a result, which is a JSON object and as durable as the end.
    fn complete_with(&mut self, _result: &str) -> Result<()> {
        bail!("it keeps no results")
    }
}

/// What is compared. The doc comments are what tables say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// The queue in process; what is acknowledged for good is synced, which a claim is not.
    Coord,
    /// The same, nothing synced.
    CoordUnsynced,
    /// The lower bound: the same durable effect in as few system calls as possible.
    Raw,
    /// The same, nothing synced.
    RawUnsynced,
    /// SQLite with `synchronous=FULL`: every transaction synced.
    SqliteFull,
    /// The same, and waits for the lock by its own loop instead of `busy_timeout`.
    SqliteFullSpin,
    /// `synchronous=FULL` to complete and enqueue, `NORMAL` to claim.
    SqliteCompletions,
    /// SQLite with `synchronous=NORMAL`: synced at checkpoints.
    SqliteNormal,
    /// The same, and waits for the lock by its own loop instead of `busy_timeout`.
    SqliteNormalSpin,
    /// SQLite with `synchronous=OFF`: nothing synced.
    SqliteOff,
    /// beanstalkd with its binlog, `-f0`: every write synced.
    Beanstalkd,
    /// beanstalkd with its binlog, `-F`: nothing synced.
    BeanstalkdUnsynced,
    /// litequeue from PyPI.
    Litequeue,
    /// persist-queue from PyPI, its SQLite queue with acknowledgement.
    PersistQueue,
    /// dirq from PyPI, the directory queue.
    Dirq,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

impl Contender {
    /// The package from PyPI that it is, if it is one: then its agents are processes of Python.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Contender::Litequeue => Some("litequeue"),
            Contender::PersistQueue => Some("persist-queue"),
            Contender::Dirq => Some("dirq"),
            _ => None,
        }
    }

    /// Whether this machine has what it needs.
    pub(crate) fn is_there(self, programs: &Programs) -> bool {
        match self {
            Contender::Beanstalkd | Contender::BeanstalkdUnsynced => programs.beanstalkd.is_some(),
            _ => self.package().is_none() || programs.python.is_some(),
        }
    }

    /// Starts the server that it needs, if it needs one.
    pub(crate) fn serve(self, directory: &Path, programs: &Programs) -> Result<Option<Server>> {
        match self {
            Contender::Beanstalkd => beanstalkd::serve(directory, "-f0", programs).map(Some),
            Contender::BeanstalkdUnsynced => beanstalkd::serve(directory, "-F", programs).map(Some),
            _ => Ok(None),
        }
    }

    /// Makes a backlog, unsynced where that is faster.
    pub(crate) fn fill(self, directory: &Path, count: u64, programs: &Programs) -> Result<()> {
        match self {
            Contender::Coord | Contender::CoordUnsynced => fill_queue(directory, 0..count),
            Contender::Raw | Contender::RawUnsynced => raw::fill(directory, count),
            Contender::Beanstalkd | Contender::BeanstalkdUnsynced => beanstalkd::fill(directory, count),
            _ => match (self.package(), self.sqlite()) {
                (Some(package), _) => programs.fill_package(package, directory, count),
                (_, Some(_)) => sqlite::fill(directory, count),
                (None, None) => bail!("{self} is not known"),
            },
        }
    }

    /// An agent in this process.
    pub(crate) fn agent(self, directory: &Path, run_id: &str) -> Result<Box<dyn Agent>> {
        Ok(match self {
            Contender::Coord => Box::new(Coord::open(directory, Sync::On, run_id)?),
            Contender::CoordUnsynced => Box::new(Coord::open(directory, Sync::Off, run_id)?),
            Contender::Raw => Box::new(raw::Raw::open(directory, Sync::On)?),
            Contender::RawUnsynced => Box::new(raw::Raw::open(directory, Sync::Off)?),
            Contender::Beanstalkd | Contender::BeanstalkdUnsynced => Box::new(beanstalkd::Client::open(directory)?),
            _ => match self.sqlite() {
                Some(setting) => Box::new(sqlite::Sqlite::open(directory, setting, run_id)?),
                None => bail!("{self} has agents in Python alone"),
            },
        })
    }

    /// How many tasks have ended, and none is left.
    pub(crate) fn ended(self, directory: &Path, programs: &Programs) -> Result<u64> {
        match self {
            Contender::Coord | Contender::CoordUnsynced => coord::ended(directory),
            Contender::Raw | Contender::RawUnsynced => raw::ended(directory),
            Contender::Beanstalkd | Contender::BeanstalkdUnsynced => beanstalkd::ended(directory),
            _ => match self.package() {
                Some(package) => programs.ended_in_package(package, directory),
                None => sqlite::ended(directory),
            },
        }
    }

    /// How many tasks wait and how many have ended, of those contenders that two builds are compared by; there must be
    /// no others.
    pub(crate) fn counts(self, directory: &Path) -> Result<(u64, u64)> {
        match self {
            Contender::Coord | Contender::CoordUnsynced => coord::counts(directory),
            _ if self.sqlite().is_some() => sqlite::counts(directory),
            _ => bail!("the tasks of {self} are not counted"),
        }
    }

    fn sqlite(self) -> Option<Setting> {
        let setting = |claim, complete, waiting| Some(Setting { claim, complete, waiting });
        match self {
            Contender::SqliteFull => setting("FULL", "FULL", Waiting::Timeout),
            Contender::SqliteFullSpin => setting("FULL", "FULL", Waiting::Loop),
            Contender::SqliteCompletions => setting("NORMAL", "FULL", Waiting::Timeout),
            Contender::SqliteNormal => setting("NORMAL", "NORMAL", Waiting::Timeout),
            Contender::SqliteNormalSpin => setting("NORMAL", "NORMAL", Waiting::Loop),
            Contender::SqliteOff => setting("OFF", "OFF", Waiting::Timeout),
            _ => None,
        }
    }
}
