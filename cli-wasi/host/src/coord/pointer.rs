//! The file that stands in the place of the coordination directory and leads to an engine: `{"store":"postgres://…"}`.
//!
//! It has a second name beside it, as `format.json` has in a directory. git, `cp -r` and archives make two files of
//! them, so it can be told whether the file was made here: `coord_store::repository` looks. No secret is in it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use coord_postgres::Address;
use coord_store::repository;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// What the file holds.
#[derive(Deserialize, Serialize)]
struct Pointer {
    store: String,
}

/// No file of this kind is longer, in bytes.
const MOST: u64 = 8_192;

/// The address that the file holds.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let advice = "`muse coord init --store URL` writes such a file where none is";
    let mut text = String::new();
    let read = opened(file).and_then(|opened| opened.take(MOST).read_to_string(&mut text));
    read.map_err(|error| format!("cannot read {file:?}: {error}"))?;
    let pointer: Pointer = serde_json::from_str(&text).map_err(|_| {
        format!("{file:?} is a file that leads nowhere: it holds no {{\"store\":\"postgres://…\"}}; {advice}")
    })?;
    Ok(pointer.store)
}

/// Opens nothing but a file, and waits for nobody.
fn opened(file: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = File::from(rustix::fs::open(file, flags, Mode::empty())?);
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(io::Error::other("it is no file")) }
}

/// What stands where the file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A directory, which may hold a queue.
    Directory,
    /// The file that is wanted, which may be followed.
    AsWanted,
    /// The same, but it came with a copy of the repository, or others may write it.
    Untrusted,
}

/// Fails if [`write`] would, as far as that can be told before.
pub(crate) fn check(file: &Path, address: &str) -> Result<(), String> {
    match found(file, address)? {
        Found::Directory if fs::read_dir(file).is_ok_and(|mut names| names.next().is_some()) => {
            Err(holds_a_queue(file))
        }
        _ => Ok(()),
    }
}

/// Makes the file lead to an address. True if it did not before.
///
/// What leads elsewhere is left as it is, and so is a directory that holds anything.
pub(crate) fn write(file: &Path, address: &str) -> Result<bool, String> {
    repository::ready_to_lead(file).map_err(|error| error.to_string())?;
    let found = found(file, address)?;
    match found {
        Found::AsWanted => return Ok(false),
        // One without a file holds no queue.
        Found::Directory => fs::remove_dir(file).map_err(|_| holds_a_queue(file))?,
        Found::Nothing | Found::Untrusted => {}
    }
    match place(file, address, found == Found::Untrusted) {
        Ok(()) => Ok(true),
        // Somebody else was faster: perhaps with the same address.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self::found(file, address)? {
            Found::AsWanted => Ok(false),
            _ => Err(format!("{file:?} was made by somebody else at the same time: run this again")),
        },
        Err(error) => Err(format!("cannot write {file:?}: {error}")),
    }
}

/// Fails if a file leads elsewhere. What it holds is shown only as an address, which holds no secret.
fn found(file: &Path, address: &str) -> Result<Found, String> {
    match fs::symlink_metadata(file) {
        Err(_) => Ok(Found::Nothing),
        Ok(found) if found.is_dir() => Ok(Found::Directory),
        Ok(_) => {
            let text = read(file)?;
            if text != address {
                let shown = text.parse::<Address>().map_or("which is no address".to_string(), |it| it.to_string());
                return Err(format!(
                    "{file:?} leads to another engine, {shown}: move that file to another place first"
                ));
            }
            Ok(if repository::may_be_followed(file) { Found::AsWanted } else { Found::Untrusted })
        }
    }
}

fn holds_a_queue(directory: &Path) -> String {
    format!(
        "{directory:?} is a directory that holds a queue: to move it, save it by `muse coord export`, move the directory \
         to another place, and after `muse coord init --store URL` give it to `muse coord import`"
    )
}

/// Both names lead to one file. Where nothing is, of several who come at once one places it; over what came with a copy
/// of the repository it is renamed.
fn place(file: &Path, address: &str, replaces: bool) -> io::Result<()> {
    let muse = file.parent().unwrap_or(Path::new("."));
    let mut made = NamedTempFile::new_in(muse)?;
    let text = serde_json::to_string(&Pointer { store: address.to_string() })?;
    writeln!(made, "{text}")?;
    made.as_file().set_permissions(repository::permissions_within(muse))?;
    made.as_file().sync_all()?;
    let second = NamedTempFile::new_in(muse)?.into_temp_path();
    fs::remove_file(&second)?;
    fs::hard_link(made.path(), &second)?;
    if replaces {
        made.persist(file)?;
    } else {
        fs::hard_link(made.path(), file)?;
    }
    second.persist(anchor(file))?;
    File::open(muse)?.sync_all()
}

/// The second name.
fn anchor(file: &Path) -> PathBuf {
    repository::anchor_of(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "postgres://anne@/work?host=/run/postgresql&schema=coord";

    fn repository() -> (tempfile::TempDir, PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join(".muse/coordination");
        (temporary, file)
    }

    #[test]
    fn what_was_written_is_read_and_is_written_once() {
        let (_temporary, file) = repository();
        assert!(write(&file, HERE).unwrap());
        assert_eq!(read(&file).unwrap(), HERE);
        assert!(repository::may_be_followed(&file) && anchor(&file).exists());
        assert!(!write(&file, HERE).unwrap());
        let names = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(names, 2);
    }

    #[test]
    fn one_that_came_with_a_copy_is_made_anew() {
        let (_temporary, file) = repository();
        write(&file, HERE).unwrap();
        let content = fs::read(&file).unwrap();
        for path in [file.clone(), anchor(&file)] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, &content).unwrap();
        }
        assert!(!repository::may_be_followed(&file));
        assert!(write(&file, HERE).unwrap());
        assert!(repository::may_be_followed(&file) && read(&file).unwrap() == HERE);
    }

    #[test]
    fn what_leads_elsewhere_and_a_directory_with_a_queue_are_left_as_they_are() {
        let (_temporary, file) = repository();
        write(&file, HERE).unwrap();
        let refused = write(&file, "postgres://anne@other/work").unwrap_err();
        assert!(refused.contains("postgres://anne@/work?host=/run/postgresql:"), "{refused}");
        assert_eq!(read(&file).unwrap(), HERE);

        let (_temporary, directory) = repository();
        fs::create_dir_all(directory.join("tasks")).unwrap();
        let refused = write(&directory, HERE).unwrap_err();
        assert!(refused.contains("muse coord export"), "{refused}");
        fs::remove_dir(directory.join("tasks")).unwrap();
        assert!(write(&directory, HERE).unwrap(), "it holds nothing");
    }

    #[test]
    fn a_second_name_elsewhere_is_no_sign() {
        let (temporary, file) = repository();
        write(&file, HERE).unwrap();
        fs::remove_file(anchor(&file)).unwrap();
        fs::hard_link(&file, temporary.path().join("elsewhere")).unwrap();
        assert!(!repository::may_be_followed(&file));
    }

    #[test]
    fn of_those_who_lead_to_two_engines_at_once_one_does() {
        for round in 0..20 {
            let (_temporary, file) = repository();
            let addresses = [0, 1].map(|n| format!("postgres://anne@db{n}/work"));
            let written: Vec<bool> = std::thread::scope(|scope| {
                let both = addresses.each_ref().map(|address| scope.spawn(|| write(&file, address).is_ok()));
                both.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let led = read(&file).unwrap();
            let winners = addresses.iter().zip(written).filter(|(_, written)| *written);
            assert_eq!(winners.map(|(address, _)| address).collect::<Vec<_>>(), [&led], "round {round}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for_and_a_password_is_not_shown() {
        let (_temporary, file) = repository();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(write(&file, HERE).unwrap_err().contains("it is no file"));
        fs::remove_file(&file).unwrap();
        fs::write(&file, r#"{"store":"postgres://anne:s3cret@db/work"}"#).unwrap();
        let refused = write(&file, HERE).unwrap_err();
        assert!(!refused.contains("s3cret"), "{refused}");
    }

    #[test]
    fn a_file_of_another_kind_leads_nowhere() {
        let (_temporary, file) = repository();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for text in ["", "postgres://h/d", "{\"store\":1}"] {
            fs::write(&file, text).unwrap();
            assert!(read(&file).unwrap_err().contains("leads nowhere"));
            assert!(write(&file, HERE).is_err());
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }
}
