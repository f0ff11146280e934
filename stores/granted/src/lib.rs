//! The store that the host of a component has: an engine behind the interface `muse:coord/store` of `wit/store.wit`.
//!
//! The component knows neither which engine it is nor how it is reached: connection, encryption and passwords are the
//! host's. This crate only translates, in both directions, and adds what is the same of all engines.

#![cfg(target_family = "wasm")]

mod convert;
mod sleep;

/// Types and glue made from `wit/store.wit`, which has their docs.
mod bindings {
    wit_bindgen::generate!({ world: "store-imports", path: "../../wit" });
}

use std::time::Duration;

use coord_core::Timestamp;
use coord_core::layout::{Dir, Path};
use coord_core::store::fused::{Fused, Look, Seen, Step, Stepped, Stirred};
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, Store, StoreError,
};

use crate::bindings::muse::coord::store as host;
use crate::convert::failed;

pub use crate::sleep::Sleep;

/// The engine that the host has.
#[derive(Debug)]
pub struct GrantedStore {
    name: String,
    format: Option<Vec<u8>>,
    is_durable: bool,
}

impl GrantedStore {
    /// Has the host connect to its engine. Unless `is_durable`, no change waits until it would survive a power cut.
    pub fn open(is_durable: bool) -> Result<GrantedStore, StoreError> {
        let host::Opened { name, format } = host::open().map_err(|failure| failed("open", failure))?;
        Ok(GrantedStore { name, format, is_durable })
    }

    /// What people call the engine.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the engine promises less than the queue does, in sentences.
    pub fn doubts(&self) -> Result<Vec<String>, StoreError> {
        host::doubts().map_err(|failure| failed("look at", failure))
    }

    /// Makes the repository lead here, if the host was told to: the file that says so, and whether this call made it.
    pub fn point_here(&self) -> Result<Option<(String, bool)>, StoreError> {
        host::point_here().map_err(|failure| failed("point at", failure))
    }
}

/// [`Fused::stirred`] of the engine that was opened.
pub(crate) fn wait(dirs: &[Dir], at_most: Duration) -> Result<Stirred, StoreError> {
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.as_str().to_string()).collect();
    let nanos = u64::try_from(at_most.as_nanos()).unwrap_or(u64::MAX);
    let tells = host::wait(&dirs, nanos).map_err(|failure| failed("wait for", failure))?;
    Ok(if tells { Stirred::Told } else { Stirred::Untold })
}

/// The time by the engine's clock.
pub fn now() -> Timestamp {
    Timestamp::from_micros(host::now())
}

impl Store for GrantedStore {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        let made = host::create(&path.to_string(), content).map_err(|failure| failed("create a file of", failure))?;
        Ok(if made { Created::Now } else { Created::Taken })
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        let appended = host::append(&path.to_string(), line, convert::most(most));
        Ok(match appended.map_err(|failure| failed("add to a file of", failure))? {
            host::Appended::Done(names) => Appended::Now(names),
            host::Appended::Gone => Appended::Gone,
            host::Appended::Full => Appended::Full,
        })
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        let linked = host::link(&from.to_string(), &to.to_string());
        Ok(match linked.map_err(|failure| failed("link a file of", failure))? {
            host::Linked::Done => Linked::Now,
            host::Linked::Gone => Linked::Gone,
            host::Linked::Taken => Linked::Taken,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        let moved = host::rename(&from.to_string(), &to.to_string());
        let moved = moved.map_err(|failure| failed("rename a file of", failure))?;
        Ok(if moved { Moved::Here } else { Moved::Gone })
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        host::read(&path.to_string(), convert::most(max_bytes)).map_err(|failure| failed("read a file of", failure))
    }

    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let mut line = match self.look(&[Look::Line(path.clone())])?.pop() {
            Some(Seen::Line(line)) => line,
            _ => return Err(convert::misunderstood()),
        };
        line.iter_mut().for_each(|line| line.truncate(max_bytes));
        Ok(line)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        host::links(&path.to_string()).map_err(|failure| failed("count the names of a file of", failure))
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        host::exists(&path.to_string()).map_err(|failure| failed("look for a file of", failure))
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        match self.look(&[Look::Names(dir.clone())])?.pop() {
            Some(Seen::Names(names)) => Ok(names),
            _ => Err(convert::misunderstood()),
        }
    }

    fn stamp(&self, _dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        Ok(Some(Stamp::from_parts(u64::MAX, 0)))
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        let removed = host::remove(&path.to_string()).map_err(|failure| failed("remove a file of", failure))?;
        Ok(if removed { Removed::Now } else { Removed::Gone })
    }

    fn make_dir(&self, _dir: &Dir) -> Result<Made, StoreError> {
        Ok(Made::Taken)
    }

    fn remove_dir(&self, _dir: &Dir) -> Result<DirRemoved, StoreError> {
        Ok(DirRemoved::Gone)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        Ok(if self.exists(path)? { Flushed::Now } else { Flushed::Gone })
    }

    fn orders_names(&self) -> Option<bool> {
        Some(false)
    }

    fn sync_dir(&self, _dir: &Dir) -> Result<(), StoreError> {
        Ok(())
    }

    fn fused(&self) -> Option<&dyn Fused> {
        Some(self)
    }
}

impl Fused for GrantedStore {
    fn format(&self) -> Option<Vec<u8>> {
        self.format.clone()
    }

    fn look(&self, looks: &[Look]) -> Result<Vec<Seen>, StoreError> {
        let asked: Vec<host::Look> = looks.iter().map(convert::look).collect();
        let seen = host::look_at(&asked).map_err(|failure| failed("look at", failure))?;
        Ok(seen.into_iter().map(convert::seen).collect())
    }

    fn step(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError> {
        let asked: Vec<host::Step> = steps.iter().map(|step| convert::step(step, self.is_durable)).collect();
        let stepped = host::change(&asked).map_err(|failure| failed("change", failure))?;
        Ok(stepped.into_iter().map(convert::stepped).collect())
    }

    fn stirred(&self, dirs: &[Dir], at_most: Duration) -> Result<Stirred, StoreError> {
        wait(dirs, at_most)
    }
}
