//! The state in which a program that grants the directory was started: its standard streams, what the system gives
//! it, and who may read and write what it makes.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(unix)]
use crate::trust::mode_within;

/// The standard streams that nothing can be handed over by: bit 0 for standard input, and so on.
static UNUSABLE: AtomicU8 = AtomicU8::new(0);

/// True if the standard stream of this number, 0 to 2, was closed when the process was started, or is open the wrong
/// way round: an output for reading only. False where [`look_before_main!`](crate::look_before_main) has not looked.
pub fn stream_is_unusable(number: u8) -> bool {
    UNUSABLE.load(Ordering::Relaxed) & bit(number) != 0
}

fn bit(number: u8) -> u8 {
    1_u8.checked_shl(number.into()).unwrap_or(0)
}

/// Has a program look at its standard streams before Rust's start-up does, by [`hold_standard_streams`].
#[macro_export]
macro_rules! look_before_main {
    () => {
        #[cfg(target_os = "linux")]
        const _: () = {
            #[expect(
                unsafe_code,
                reason = "functions named in this section are called before `main`: that is the point"
            )]
            #[used]
            #[unsafe(link_section = ".init_array")]
            static LOOK: extern "C" fn() = $crate::process::hold_standard_streams;
        };
    };
}

/// With less, in bytes, any allocation of Rust's start-up may fail, by which it ends a process.
#[cfg(target_os = "linux")]
const LEAST_MEMORY: u64 = 16 << 20;

/// Notes which standard streams cannot be used, and holds the place of those that are closed.
///
/// Rust's own start-up would open `/dev/null` there, so that an answer goes nowhere and nobody notices, and where there
/// is no `/dev` it aborts. It only looks whether the numbers are taken, so they are taken before: by an epoll, which
/// needs no file and no device, and can be neither read nor written. If even that cannot be had, or the process may
/// have hardly any memory, it says so and ends here, with exit code 1.
#[cfg(target_os = "linux")]
pub extern "C" fn hold_standard_streams() {
    use rustix::event::epoll;
    use rustix::fs::OFlags;
    use rustix::io::Errno;
    use std::os::fd::IntoRawFd as _;

    for number in 0..=2 {
        match rustix::fs::fcntl_getfl(standard_stream(number)) {
            Ok(flags) if number > 0 && flags & OFlags::RWMODE == OFlags::RDONLY => note(number),
            Err(Errno::BADF) => {
                note(number);
                // The lowest number that is free is this one, since those below are taken by now.
                match epoll::create(epoll::CreateFlags::CLOEXEC) {
                    Ok(held) => _ = held.into_raw_fd(),
                    Err(_) => refuse(
                        "❌ a standard stream is closed, and nothing can be opened in its place: leave it open, or raise \
                         the limit on open files (`ulimit -n`)\n",
                    ),
                }
            }
            _ => {}
        }
    }
    if memory_limit().is_some_and(|limit| limit < LEAST_MEMORY) {
        refuse("❌ this process may have hardly any memory: raise `ulimit -v`\n");
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "whether the number is open is what is asked")]
fn standard_stream(number: u8) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: nothing else runs yet that could open or close the number. If it is closed a call on it fails.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number.into()) }
}

#[cfg(target_os = "linux")]
fn note(number: u8) {
    UNUSABLE.fetch_or(bit(number), Ordering::Relaxed);
}

/// Says what is wrong as far as there is a standard error, without asking for memory, and ends the process.
#[cfg(target_os = "linux")]
fn refuse(message: &str) {
    _ = rustix::io::write(standard_stream(2), message.as_bytes());
    std::process::exit(1);
}

/// Fails where the system gives no random numbers: wasmtime's sandboxes need some from the first moment on, and panic
/// without.
#[cfg(target_os = "linux")]
pub fn check_randomness() -> io::Result<()> {
    rustix::rand::getrandom(&mut [0_u8; 1], rustix::rand::GetRandomFlags::empty())?;
    Ok(())
}

/// Elsewhere they are always there.
#[cfg(not(target_os = "linux"))]
pub fn check_randomness() -> io::Result<()> {
    Ok(())
}

/// Fails if this process cannot open so many more files.
#[cfg(target_os = "linux")]
pub fn check_room_for(files: usize) -> io::Result<()> {
    use rustix::event::epoll;
    let opened: Result<Vec<_>, _> = (0..files).map(|_| epoll::create(epoll::CreateFlags::CLOEXEC)).collect();
    opened?;
    Ok(())
}

/// Elsewhere it is learnt when it is done.
#[cfg(not(target_os = "linux"))]
pub fn check_room_for(_files: usize) -> io::Result<()> {
    Ok(())
}

/// How many bytes of addresses this process may have, if that is limited.
#[cfg(unix)]
pub fn memory_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// Elsewhere none is known.
#[cfg(not(unix))]
pub fn memory_limit() -> Option<u64> {
    None
}

/// The system's words for an error, without the number, which means something else on another system.
pub fn words(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_string()
}

/// From now on has only the owner, and those who may write in this directory, read and write what this process makes
/// there. Which group a new file belongs to, the directory decides by its setgid bit. A directory that cannot be looked
/// at changes nothing.
///
/// This is the process's own setting. A library must leave it to its program.
#[cfg(unix)]
pub fn share_as(directory: &Path) {
    if let Ok(metadata) = directory.metadata() {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(!mode_within(&metadata) & 0o777));
    }
}

/// Elsewhere what is made is everybody's who may be in its directory.
#[cfg(not(unix))]
pub fn share_as(_directory: &Path) {}
