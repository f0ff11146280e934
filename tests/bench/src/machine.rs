//! What was measured on: what the ratios depend on, and no name of the machine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::program::Programs;

/// A few lines of Markdown.
pub(crate) fn told(measured_in: &Path, programs: &Programs) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let uname = rustix::system::uname();
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let lines = [
        format!("- Processor: {model}, {cores} cores"),
        format!("- Memory: {}", memory().unwrap_or_else(|| "unknown".to_owned())),
        format!("- System: {} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        format!("- Filesystem: {}", filesystem(measured_in)?),
        format!("- SQLite {}{}", rusqlite::version(), beanstalkd(programs).unwrap_or_default()),
    ];
    Ok(lines.join("\n"))
}

fn memory() -> Option<String> {
    let kilobytes: u64 = field("/proc/meminfo", "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some(format!("{} GiB", (kilobytes + (1 << 19)) >> 20))
}

/// The type, and for ext4 whether it has a journal, which decides what an `fsync` costs.
pub(crate) fn filesystem(directory: &Path) -> Result<String> {
    let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
    let directory = directory.canonicalize()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, place, kind) = (words.next()?, words.next()?, words.next()?);
        directory.starts_with(place).then_some((place.len(), device, kind))
    });
    // Of two at one place the later one hides the other.
    let (_, device, kind) = mounts.max_by_key(|(length, ..)| *length).context("the directory is on no filesystem")?;
    Ok(match (kind, device.strip_prefix("/dev/")) {
        ("ext4", Some(device)) if has_journal(device) => "ext4 with a journal".to_owned(),
        ("ext4", Some(_)) => "ext4 without a journal".to_owned(),
        _ => kind.to_owned(),
    })
}

/// The kernel has a directory for each journal at work: `sda1-8`.
fn has_journal(device: &str) -> bool {
    let journals = fs::read_dir("/proc/fs/jbd2").into_iter().flatten().flatten();
    journals.into_iter().any(|journal| journal.file_name().to_string_lossy().starts_with(&format!("{device}-")))
}

fn beanstalkd(programs: &Programs) -> Option<String> {
    let output = std::process::Command::new(programs.beanstalkd.as_ref()?).arg("-v").output().ok()?;
    Some(format!(", {}", String::from_utf8_lossy(&output.stdout).trim()))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
