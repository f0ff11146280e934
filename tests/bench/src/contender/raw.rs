//! The lower bound: directories, names and files as the queue has them, and no system call that could be left out.
//!
//! The names of a bucket are listed once, ahead. A claim is a rename and the reading of 300 bytes, a completion is a
//! rename; where that is synced, an `fsync` of the directory that the name came to. Nothing is looked up, decided,
//! swept or shared, so this is no queue.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::vec;

use anyhow::{Context, Result, ensure};
use coord_store::Sync;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, linkat, openat, renameat};

use super::Agent;
use crate::task;

/// As many as a burst leaves in a time bucket of the queue's `ready/`.
const BUCKET: u64 = 164;
const CLAIMED: u64 = 16;
const DONE: u64 = 256;

/// An agent that has the directory to itself.
pub(super) struct Raw {
    ready: OwnedFd,
    tasks: Vec<OwnedFd>,
    claimed: Vec<OwnedFd>,
    done: Vec<OwnedFd>,
    sync: Sync,
    leaves: vec::IntoIter<String>,
    bucket: Option<OwnedFd>,
    names: vec::IntoIter<String>,
    held: Option<String>,
}

impl Raw {
    pub(super) fn open(directory: &Path, sync: Sync) -> Result<Raw> {
        make(directory)?;
        let root = open_dir(rustix::fs::CWD, directory.to_str().context("the directory's name is no text")?)?;
        let parts = |name: &str, count: u64| -> Result<Vec<OwnedFd>> {
            (0..count).map(|part| open_dir(&root, &format!("{name}/{part:02x}"))).collect()
        };
        let ready = open_dir(&root, "ready")?;
        let leaves = sorted_names(&ready)?.into_iter();
        let (tasks, claimed, done) = (parts("tasks", DONE)?, parts("claimed", CLAIMED)?, parts("done", DONE)?);
        Ok(Raw { ready, tasks, claimed, done, sync, leaves, bucket: None, names: Vec::new().into_iter(), held: None })
    }

    fn synced(&self, directory: &OwnedFd) -> Result<()> {
        if self.sync == Sync::On {
            rustix::fs::fsync(directory)?;
        }
        Ok(())
    }
}

impl Agent for Raw {
    fn enqueue(&mut self, number: u64) -> Result<()> {
        let (name, bucket) = (name(number), number / BUCKET);
        let tasks = part(&self.tasks, number)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mut file = File::from(openat(tasks, &*name, flags, Mode::from(0o644))?);
        file.write_all(record(number).as_bytes())?;
        if self.sync == Sync::On {
            file.sync_data()?;
        }
        self.synced(tasks)?;
        if number.is_multiple_of(BUCKET) {
            rustix::fs::mkdirat(&self.ready, bucket_name(bucket), Mode::from(0o755))?;
            self.bucket = Some(open_dir(&self.ready, &bucket_name(bucket))?);
        }
        let bucket = self.bucket.as_ref().context("tasks are enqueued in order")?;
        linkat(tasks, &*name, bucket, &*name, AtFlags::empty())?;
        self.synced(bucket)
    }

    fn claim(&mut self) -> Result<bool> {
        let name = loop {
            if let Some(name) = self.names.next() {
                break name;
            }
            let Some(bucket) = self.leaves.next() else { return Ok(false) };
            let bucket = open_dir(&self.ready, &bucket)?;
            self.names = sorted_names(&bucket)?.into_iter();
            self.bucket = Some(bucket);
        };
        let claimed = part(&self.claimed, number(&name)?)?;
        renameat(self.bucket.as_ref().context("a name has a bucket")?, &*name, claimed, &*name)?;
        let mut file = File::from(openat(claimed, &*name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
        let mut record = [0; 1024];
        ensure!(file.read(&mut record)? > 0, "a record is empty");
        self.held = Some(name);
        Ok(true)
    }

    fn complete(&mut self) -> Result<()> {
        let name = self.held.take().context("nothing is claimed")?;
        let number = number(&name)?;
        let done = part(&self.done, number)?;
        renameat(part(&self.claimed, number)?, &*name, done, &*name)?;
        self.synced(done)
    }
}

pub(super) fn fill(directory: &Path, count: u64) -> Result<()> {
    let mut agent = Raw::open(directory, Sync::Off)?;
    (0..count).try_for_each(|number| agent.enqueue(number))
}

pub(super) fn ended(directory: &Path) -> Result<u64> {
    let mut ended = 0;
    for part in fs::read_dir(directory.join("done"))? {
        ended += fs::read_dir(part?.path())?.count() as u64;
    }
    Ok(ended)
}

/// What is there is left as it is.
fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory.join("ready"))?;
    for (name, count) in [("tasks", DONE), ("claimed", CLAIMED), ("done", DONE)] {
        for part in 0..count {
            fs::create_dir_all(directory.join(format!("{name}/{part:02x}")))?;
        }
    }
    Ok(())
}

/// Spread as a hash spreads.
fn part(parts: &[OwnedFd], number: u64) -> Result<&OwnedFd> {
    let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    parts.get(place as usize % parts.len().max(1)).context("a directory is missing")
}

/// As long as the queue's own names are.
fn name(number: u64) -> String {
    format!("{number:0140}")
}

fn number(name: &str) -> Result<u64> {
    name.parse().context("a name is no number")
}

fn bucket_name(bucket: u64) -> String {
    format!("{bucket:08}")
}

fn record(number: u64) -> String {
    let (title, payload) = (task::title(number), task::payload(number));
    format!(
        r#"{{"created_at":1790000000000000,"created_by":"planner","payload":{payload},"priority":0,"queue":"default","tags":[],"title":"{title}","ttl_seconds":86400}}"#
    )
}

fn open_dir(above: impl std::os::fd::AsFd, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(above, name, flags, Mode::empty()).with_context(|| format!("cannot open {name}"))
}

fn sorted_names(directory: &OwnedFd) -> Result<Vec<String>> {
    let mut buffer = Vec::with_capacity(1 << 16);
    let mut listing = RawDir::new(directory, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = listing.next() {
        let name = entry?.file_name().to_str().context("a name is no text")?.to_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
