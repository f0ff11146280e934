//! Which engine the queue is on, and who says so.
//!
//! The first of these counts: `init --store`, `MUSE_COORD_STORE`, and the file in the place of the coordination
//! directory. That file may have come with somebody's repository: `coord_store::repository` judges whether to trust it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use coord_postgres::{Address, AddressFrom};
use coord_store::repository::{self, Purpose, Start};
use muse_launcher::{Failure, Invocation};

use super::pointer;

/// Where a queue is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The engine.
    pub(crate) address: Address,
    /// Where the address comes from: a password in the environment belongs to an address from there.
    pub(crate) from: AddressFrom,
    /// The file that leads there, and what `init` does about it.
    pub(crate) pointer: Option<Pointer>,
    /// The queue is made if there is none.
    pub(crate) is_init: bool,
}

/// A file in the place of the coordination directory.
#[derive(Clone, Debug)]
pub(crate) enum Pointer {
    /// It is to lead there from now on.
    ToBeMade(PathBuf),
    /// It led there.
    There(PathBuf),
}

/// The variable that names an engine.
const VARIABLE: &str = "MUSE_COORD_STORE";

impl Place {
    /// The place that this command is for.
    pub(crate) fn of(invocation: &Invocation) -> Result<Place, Failure> {
        let is_init = invocation.init;
        if let Some(store) = &invocation.store {
            let (address, file) = (address("--store", store)?, coordination(invocation.purpose)?);
            // Before anything is made on the engine.
            pointer::check(&file, &address.to_string()).map_err(Failure::Engine)?;
            let pointer = Some(Pointer::ToBeMade(file));
            return Ok(Place { address, from: AddressFrom::Elsewhere, pointer, is_init });
        }
        if let Some(place) = Place::named()? {
            return Ok(Place { is_init, ..place });
        }
        let file = coordination(invocation.purpose)?;
        match Place::led_to_by(&file)? {
            Some(place) => Ok(Place { is_init, ..place }),
            None => Err(Failure::Engine(format!(
                "{file:?} is no file that leads to an engine: run `muse coord`, or `muse coord init --store URL` to put the queue \
                 on one"
            ))),
        }
    }

    /// The one that `MUSE_COORD_STORE` names.
    pub(crate) fn named() -> Result<Option<Place>, Failure> {
        let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) else { return Ok(None) };
        let address = address(VARIABLE, &named)?;
        Ok(Some(Place { address, from: AddressFrom::Environment, pointer: None, is_init: false }))
    }

    /// The one that a file leads to; `None`: it is a directory, or nothing.
    pub(crate) fn led_to_by(file: &Path) -> Result<Option<Place>, Failure> {
        if !repository::leads_elsewhere(file) {
            return Ok(None);
        }
        let text = pointer::read(file).map_err(Failure::Engine)?;
        let address = address(&format!("{file:?}"), OsStr::new(&text))?;
        let pointer = Some(Pointer::There(file.to_owned()));
        Ok(Some(Place { address, from: AddressFrom::Elsewhere, pointer, is_init: false }))
    }
}

/// `whence` is who gave the text.
fn address(whence: &str, text: &OsStr) -> Result<Address, Failure> {
    let text =
        text.to_str().ok_or_else(|| Failure::Address(format!("{whence} is not valid UTF-8: write it as UTF-8")))?;
    Address::parse(text).map_err(|error| Failure::Address(format!("{whence}: {error}")))
}

/// The place of the coordination directory, whether it is there yet or not.
fn coordination(purpose: Purpose) -> Result<PathBuf, Failure> {
    let start = Start::of_this_process().map_err(|source| Failure::CurrentDirectory { source })?;
    let found = start.found(purpose).map_err(Failure::Directory)?;
    found.map_or_else(|| start.here().map_err(Failure::Directory), Ok)
}
