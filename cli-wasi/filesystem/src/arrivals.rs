//! What comes into a directory, as a stream: a byte that can be read says that something may have come since the last
//! one was read.
//!
//! WASI has no call for that, but one that every other host refuses: to read a directory as a stream. So a component
//! that tries it learns by the refusal that it has to look for itself.
//!
//! It is `F_NOTIFY` that tells, by a signal, and so of all directories that this process watches when something comes
//! into one of them. `inotify` would tell which. But a process that has an instance of it ends only when the kernel
//! has waited for a grace period, 10 to 20 ms, and a user may have 128 of them.
//!
//! Guaranteed: whatever comes once the stream is there, be it made, linked or moved, makes it ready, whoever puts it
//! there. Where the kernel cannot promise that (on a network filesystem, which others change without its knowledge)
//! the stream is refused, as it is by a kernel without `F_NOTIFY`. What goes is not told.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags, fstat, fstatfs, major, openat};
use tokio::signal::unix::{Signal, SignalKind, signal};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, HostDescriptor as _};
use wasmtime_wasi::p2::{DynInputStream, InputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiView, async_trait};

/// Filesystems without a device that nobody changes without this system's knowledge: btrfs, tmpfs, overlayfs, ZFS.
const LOCAL: [u64; 4] = [0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1];

/// What comes into one directory, of which the kernel tells as long as it is open.
struct Arrivals {
    _directory: OwnedFd,
    told: Signal,
    have_come: bool,
}

/// `descriptor.read-via-stream`: of a file what is in it, of a directory what comes into it.
pub(crate) fn read_via_stream<T: WasiView>(
    host: &mut T,
    descriptor: Resource<Descriptor>,
    offset: u64,
) -> wasmtime::Result<Result<Resource<DynInputStream>, ErrorCode>> {
    let Descriptor::Dir(directory) = host.ctx().table.get(&descriptor)? else {
        return match host.filesystem().read_via_stream(descriptor, offset) {
            Ok(stream) => Ok(Ok(stream)),
            Err(error) => error.downcast().map(Err),
        };
    };
    match Arrivals::of(&*directory.dir) {
        Ok(arrivals) => {
            let stream: DynInputStream = Box::new(arrivals);
            Ok(Ok(host.ctx().table.push(stream)?))
        }
        Err(code) => Ok(Err(code)),
    }
}

impl Arrivals {
    /// From now on, of the very directory that is open, whatever its path leads to by now.
    fn of(directory: impl AsFd) -> Result<Arrivals, ErrorCode> {
        if !is_local(&directory) {
            return Err(ErrorCode::Unsupported);
        }
        // By default the signal ends a process: so it is heard before it can come.
        let told = signal(SignalKind::io())?;
        // The descriptor itself may be good for opening only.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(directory, ".", flags, Mode::empty()).map_err(io::Error::from)?;
        tell_of_what_comes_into(&directory)?;
        Ok(Arrivals { _directory: directory, told, have_come: false })
    }
}

/// False for a filesystem that others may change without this system's knowledge. One with a major number is on a
/// device of this machine; the others that are local have to be known.
fn is_local(directory: impl AsFd) -> bool {
    let has_device = || fstat(&directory).is_ok_and(|directory| major(directory.st_dev) != 0);
    let is_known = || fstatfs(&directory).is_ok_and(|fs| u64::try_from(fs.f_type).is_ok_and(|fs| LOCAL.contains(&fs)));
    has_device() || is_known()
}

/// Asks for a `SIGIO` whenever a name is made in a directory or moved into it, until it is closed.
#[expect(unsafe_code, reason = "rustix has no such call")]
fn tell_of_what_comes_into(directory: &OwnedFd) -> io::Result<()> {
    /// By `fcntl.h`, which `libc` does not have whole.
    const DN_CREATE: libc::c_ulong = 0x0000_0004;
    const DN_MULTISHOT: libc::c_ulong = 0x8000_0000;
    // SAFETY: the call is given no memory, and a descriptor that is open.
    let asked = unsafe { libc::fcntl(directory.as_raw_fd(), libc::F_NOTIFY, DN_CREATE | DN_MULTISHOT) };
    if asked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[async_trait]
impl Pollable for Arrivals {
    async fn ready(&mut self) {
        if !self.have_come {
            self.told.recv().await;
            self.have_come = true;
        }
    }
}

#[async_trait]
impl InputStream for Arrivals {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let told = size > 0 && std::mem::take(&mut self.have_come);
        Ok(Bytes::from_static(if told { b"+" } else { b"" }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::{Mutex, PoisonError};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;

    /// The signal is for all directories that a process watches: so one test does at a time.
    fn run(test: impl Future<Output = ()>) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    fn watched(root: &Path, name: &str) -> Arrivals {
        let directory = root.join(name);
        fs::create_dir(&directory).unwrap();
        Arrivals::of(File::open(directory).unwrap()).unwrap()
    }

    async fn is_told(arrivals: &mut Arrivals) -> bool {
        tokio::time::timeout(Duration::from_secs(10), arrivals.ready()).await.unwrap();
        !arrivals.read(64).unwrap().is_empty()
    }

    async fn is_quiet(arrivals: &mut Arrivals) -> bool {
        // The runtime hears of signals when it has nothing else to do.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let ready = arrivals.ready().as_mut().poll(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Pending) && arrivals.read(64).unwrap().is_empty()
    }

    #[test]
    fn whatever_comes_is_told_once_and_what_goes_is_not() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        run(async {
            let (mut first, mut second) = (watched(root, "0"), watched(root, "1"));
            assert!(is_quiet(&mut first).await);
            fs::write(root.join("0/made"), "").unwrap();
            assert!(is_told(&mut first).await && is_told(&mut second).await);
            fs::hard_link(root.join("0/made"), root.join("1/linked")).unwrap();
            assert!(is_told(&mut second).await && is_told(&mut first).await);
            fs::rename(root.join("1/linked"), root.join("0/moved")).unwrap();
            assert!(is_told(&mut first).await && is_quiet(&mut first).await);
            assert!(is_told(&mut second).await);
            fs::create_dir(root.join("1/directory")).unwrap();
            assert!(is_told(&mut second).await && is_told(&mut first).await);
            fs::rename(root.join("0/moved"), root.join("elsewhere")).unwrap();
            fs::remove_dir(root.join("1/directory")).unwrap();
            fs::write(root.join("0/made"), "more").unwrap();
            assert!(is_quiet(&mut first).await && is_quiet(&mut second).await);
        });
    }

    #[test]
    fn what_comes_while_nobody_waits_is_told_and_what_comes_meanwhile_too() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        run(async {
            let mut arrivals = watched(root, "0");
            for name in ["0/a", "0/b"] {
                fs::write(root.join(name), "").unwrap();
            }
            assert!(is_told(&mut arrivals).await);
            let later = root.join("0/c");
            let making = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                fs::write(later, "").unwrap();
            });
            assert!(is_told(&mut arrivals).await);
            making.join().unwrap();
        });
    }

    #[test]
    fn what_is_watched_no_more_is_not_told() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        run(async {
            let (first, mut second) = (watched(root, "0"), watched(root, "1"));
            drop(first);
            fs::write(root.join("0/made"), "").unwrap();
            assert!(is_quiet(&mut second).await);
        });
    }

    #[test]
    fn what_others_may_change_unnoticed_is_refused() {
        run(async {
            assert_eq!(Arrivals::of(File::open("/proc").unwrap()).map(drop), Err(ErrorCode::Unsupported));
            assert_eq!(Arrivals::of(tempfile::tempfile().unwrap()).map(drop), Err(ErrorCode::NotDirectory));
        });
    }
}
