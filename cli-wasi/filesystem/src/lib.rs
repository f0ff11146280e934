//! The five things that the filesystem of our components does otherwise than that of `wasmtime-wasi`: in `muse` and in
//! `muse-agent`.
//!
//! - Nothing but files and directories is opened: a FIFO in the directory would hold the component up until somebody
//!   writes into it, and
//!   a device may act.
//! - A file that is there is opened for writing at its end only, so that one `write` adds to it in one piece, whatever
//!   its offset: a variable tells the component.
//! - A directory is listed without a look at the metadata of each name, for its type, which costs several times as much
//!   as reading the name; and the queue lives by names. The type is what the directory itself says, which may be that
//!   it does not know.
//! - To sync the data of a directory syncs the whole filesystem that it is on, for many files at once: a variable tells
//!   the component.
//! - A directory can be read as a stream, on Linux: of what comes into it (`arrivals.rs`).
//!
//! Guaranteed: nothing is read but names of a directory that was opened through the sandbox.

#[cfg(target_os = "linux")]
mod arrivals;

use std::io;
use std::sync::Mutex;

use cap_fs_ext::OpenOptionsFollowExt as _;
use cap_primitives::fs::{FollowSymlinks, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{Dir, FileType, Mode, OFlags, openat, syncfs};
use rustix::io::Errno;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::filesystem::{Descriptor, Dir as Directory, File};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, DirectoryEntry, ErrorCode, OpenFlags, PathFlags,
};
use wasmtime_wasi::{OpenMode, ResourceTable, WasiView};

/// The interface that the functions below stand in, as this version of `wasmtime-wasi` names it.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// A directory that is being listed. Locked, because what a table holds might go to another thread.
struct Listing(Mutex<Dir>);

type Stream = Resource<Listing>;

/// Takes the place of five definitions that were linked before.
pub fn link<T: WasiView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
    interface.resource(
        "directory-entry-stream",
        ResourceType::host::<Listing>(),
        |mut store: Store<'_, T>, stream| {
            table(&mut store).delete(Stream::new_own(stream))?;
            Ok(())
        },
    )?;
    interface.func_wrap(
        "[method]descriptor.open-at",
        |mut store: Store<'_, T>, (directory, path_flags, path, how, flags): OpenAt| {
            Ok((open_at(table(&mut store), &directory, path_flags, &path, how, flags)?,))
        },
    )?;
    interface.func_wrap("[method]descriptor.read-directory", |mut store: Store<'_, T>, (directory,)| {
        Ok((listing(table(&mut store), &directory)?,))
    })?;
    interface
        .func_wrap("[method]directory-entry-stream.read-directory-entry", |mut store: Store<'_, T>, (stream,)| {
            Ok((next(table(&mut store).get(&stream)?),))
        })?;
    interface.func_wrap("[method]descriptor.sync-data", |mut store: Store<'_, T>, (descriptor,)| {
        Ok((sync_data(table(&mut store).get(&descriptor)?),))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Takes the place of one more, by which a component is told of what comes into a directory, for a runtime that
/// drives I/O. Elsewhere than on Linux it stays as it was.
pub fn tell_of_arrivals<T: WasiView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    #[cfg(target_os = "linux")]
    linker.instance(INTERFACE)?.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store: Store<'_, T>, (descriptor, offset): (Resource<Descriptor>, u64)| {
            Ok((arrivals::read_via_stream(store.data_mut(), descriptor, offset)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

type Store<'a, T> = StoreContextMut<'a, T>;

/// What is given to `open-at`: the directory, how to take a link, the path, how to open it, and for what.
type OpenAt = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// What the component has open.
fn table<'a, T: WasiView>(store: &'a mut Store<'_, T>) -> &'a mut ResourceTable {
    store.data_mut().ctx().table
}

fn open_at(
    table: &mut ResourceTable,
    directory: &Resource<Descriptor>,
    path_flags: PathFlags,
    path: &str,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
    let Descriptor::Dir(directory) = table.get(directory)? else { return Ok(Err(ErrorCode::NotDirectory)) };
    match opened(directory, path_flags, path, how, flags) {
        Ok(descriptor) => Ok(Ok(table.push(descriptor)?)),
        Err(code) => Ok(Err(code)),
    }
}

/// Waits for nobody. What is neither a file nor a directory is closed again without having been read.
fn opened(
    Directory { dir, perms, .. }: &Directory,
    path_flags: PathFlags,
    path: &str,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, ErrorCode> {
    let (creates, truncates) = (how.contains(OpenFlags::CREATE), how.contains(OpenFlags::TRUNCATE));
    let (is_new, is_directory) = (how.contains(OpenFlags::EXCLUSIVE), how.contains(OpenFlags::DIRECTORY));
    let writes = creates || truncates || flags.contains(DescriptorFlags::WRITE);
    let reads = flags.contains(DescriptorFlags::READ) || !flags.contains(DescriptorFlags::WRITE);
    if is_directory && (creates || truncates || is_new) {
        return Err(ErrorCode::Invalid);
    }
    if writes && perms.write_not_permitted() {
        return Err(ErrorCode::NotPermitted);
    }
    let waits_for_nobody = OFlags::NONBLOCK | OFlags::NOCTTY;
    let adds = if writes && !creates && !truncates { OFlags::APPEND } else { OFlags::empty() };
    let kind = if is_directory { OFlags::DIRECTORY } else { OFlags::empty() };
    let follow = if path_flags.contains(PathFlags::SYMLINK_FOLLOW) { FollowSymlinks::Yes } else { FollowSymlinks::No };
    let mut options = OpenOptions::new();
    options.read(reads).write(writes).truncate(truncates).create(creates && !is_new).create_new(creates && is_new);
    options.custom_flags((waits_for_nobody | adds | kind).bits().cast_signed()).follow(follow);
    let file = cap_primitives::fs::open(dir, path.as_ref(), &options).map_err(open_failed)?;
    let file_type = file.metadata()?.file_type();
    let mut mode = OpenMode::empty();
    mode.set(OpenMode::READ, reads);
    mode.set(OpenMode::WRITE, writes);
    match () {
        () if file_type.is_dir() => Ok(Descriptor::Dir(Directory::new(file, *perms, mode, true))),
        () if is_directory => Err(ErrorCode::NotDirectory),
        () if file_type.is_file() => Ok(Descriptor::File(File::new(file, *perms, mode, true))),
        () => Err(ErrorCode::NoDevice),
    }
}

/// A socket cannot be opened at all. WASI has no code for that, and a fault of the medium it is not.
fn open_failed(error: io::Error) -> ErrorCode {
    if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) { ErrorCode::NoDevice } else { error.into() }
}

fn listing(table: &mut ResourceTable, directory: &Resource<Descriptor>) -> wasmtime::Result<Result<Stream, ErrorCode>> {
    let Descriptor::Dir(directory) = table.get(directory)? else { return Ok(Err(ErrorCode::NotDirectory)) };
    // The descriptor itself may be good for opening only.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(&directory.dir, ".", flags, Mode::empty()).and_then(Dir::new) {
        Ok(names) => Ok(Ok(table.push(Listing(Mutex::new(names)))?)),
        Err(errno) => Ok(Err(error_code(errno))),
    }
}

fn next(listing: &Listing) -> Result<Option<DirectoryEntry>, ErrorCode> {
    let mut names = listing.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let Some(entry) = names.find(|entry| !entry.as_ref().is_ok_and(|entry| is_dots(entry.file_name().to_bytes())))
    else {
        return Ok(None);
    };
    let entry = entry.map_err(error_code)?;
    let name = entry.file_name().to_str().map_err(|_| ErrorCode::IllegalByteSequence)?;
    Ok(Some(DirectoryEntry { type_: descriptor_type(entry.file_type()), name: name.to_owned() }))
}

fn sync_data(descriptor: &Descriptor) -> Result<(), ErrorCode> {
    match descriptor {
        Descriptor::File(file) => file.file.sync_data().map_err(ErrorCode::from),
        Descriptor::Dir(directory) => syncfs(&directory.dir).map_err(error_code),
    }
}

fn is_dots(name: &[u8]) -> bool {
    name == b"." || name == b".."
}

fn descriptor_type(file_type: FileType) -> DescriptorType {
    match file_type {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        _ => DescriptorType::Unknown,
    }
}

fn error_code(errno: Errno) -> ErrorCode {
    io::Error::from(errno).into()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;

    use wasmtime_wasi::FsPerms;

    use super::*;

    #[test]
    fn names_are_told_with_their_types_and_one_that_is_not_text_hides_no_other() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        fs::write(root.join("file"), "").unwrap();
        fs::create_dir(root.join("directory")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        fs::write(root.join(OsStr::from_bytes(b"\xff")), "").unwrap();
        // As wasmtime opens a directory that it grants.
        let opened = openat(rustix::fs::CWD, root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();

        let mut table = ResourceTable::new();
        let opened = Directory::new(opened.into(), FsPerms::ReadOnly, OpenMode::READ, true);
        let opened = table.push(Descriptor::Dir(opened)).unwrap();
        let stream = listing(&mut table, &opened).unwrap().unwrap();
        let mut told = Vec::new();
        while let Some(next) = next(table.get(&stream).unwrap()).transpose() {
            told.push(match next {
                Ok(entry) => format!("{} {:?}", entry.name, entry.type_),
                Err(code) => code.name().to_owned(),
            });
        }
        told.sort();
        let expected = [
            "directory DescriptorType::Directory",
            "file DescriptorType::RegularFile",
            "illegal-byte-sequence",
            "link DescriptorType::SymbolicLink",
        ];
        assert_eq!(told, expected);
    }
}
