//! What the component is given, in full: its arguments, the standard streams, the clocks, randomness, six variables,
//! and one directory.
//!
//! Guaranteed: it cannot name anything else. Sockets are not even linked, so a component that imports them doesn't start.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use coord_core::store::StoreError;
use coord_store::{process, repository};
use rustix::fs::StatVfsMountFlags;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{InputFile, WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io as streams, random};
use wasmtime_wasi::p2::pipe::{ClosedInputStream, ClosedOutputStream};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::failure::Failure;
use crate::invocation::Purpose;

/// The interface of the variables, as this version of `wasmtime-wasi` names it.
const ENVIRONMENT: &str = "wasi:cli/environment@0.2.12";

/// The state behind the component's imports.
pub(crate) struct Sandbox {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Sandbox {
    /// Grants the arguments (without the program's name) and the coordination directory, which is made if it is missing
    /// and `purpose` allows it. A file to read stands for standard input.
    pub(crate) fn new(
        arguments: &[OsString],
        directory: Option<&Path>,
        purpose: Purpose,
        input: Option<File>,
    ) -> Result<Self, Failure> {
        let mut wasi = WasiCtx::builder();
        // The component is alone on this thread: a file operation need not be sent to another one.
        wasi.allow_blocking_current_thread(true);
        grant_streams(&mut wasi, input);
        grant_arguments(&mut wasi, arguments)?;
        grant_variables(&mut wasi, purpose)?;
        if let Some(directory) = directory {
            grant_directory(&mut wasi, directory, purpose).map_err(Failure::Directory)?;
        }
        Ok(Self { wasi: wasi.build(), table: ResourceTable::new() })
    }

    /// What is open.
    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Links the interfaces of `wasi:cli/command` without `wasi:sockets`.
pub(crate) fn link(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    let l = linker;
    streams::error::add_to_linker::<_, Table>(l, Sandbox::table)?;
    streams::poll::add_to_linker::<_, Table>(l, Sandbox::table)?;
    streams::streams::add_to_linker::<_, Table>(l, Sandbox::table)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, Sandbox::filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, Sandbox::filesystem)?;
    crate::filesystem::link(l)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, Sandbox::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, Sandbox::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    cli::environment::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    l.allow_shadowing(true);
    l.instance(ENVIRONMENT)?.func_wrap("get-environment", |mut store: StoreContextMut<'_, Sandbox>, ()| {
        Ok((environment(store.data_mut())?,))
    })?;
    l.allow_shadowing(false);
    cli::exit::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, Sandbox::cli)
}

/// The part of the sandbox that `wasi:io` works on.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// An output that was closed when this process was started is closed to the component, too: what is written there
/// reaches nobody, which the component must learn.
fn grant_streams(wasi: &mut WasiCtxBuilder, input: Option<File>) {
    match input.map_or_else(own_input, |file| Some(Ok(file))) {
        Some(Ok(file)) => wasi.stdin(InputFile::new(file)),
        Some(Err(_)) => wasi.inherit_stdin(),
        None => wasi.stdin(ClosedInputStream),
    };
    match process::stream_is_unusable(1) {
        true => wasi.stdout(ClosedOutputStream),
        false => wasi.inherit_stdout(),
    };
    match process::stream_is_unusable(2) {
        true => wasi.stderr(ClosedOutputStream),
        false => wasi.inherit_stderr(),
    };
}

/// Standard input as a file, which is read here when it is asked for: otherwise a thread would be started for it.
/// `None`: it was closed.
fn own_input() -> Option<io::Result<File>> {
    (!process::stream_is_unusable(0)).then(|| io::stdin().as_fd().try_clone_to_owned().map(File::from))
}

fn grant_arguments(wasi: &mut WasiCtxBuilder, arguments: &[OsString]) -> Result<(), Failure> {
    wasi.arg("muse");
    for (position, value) in (1..).zip(arguments) {
        wasi.arg(value.to_str().ok_or_else(|| Failure::Argument { position, value: value.clone() })?);
    }
    Ok(())
}

fn grant_variables(wasi: &mut WasiCtxBuilder, purpose: Purpose) -> Result<(), Failure> {
    for name in ["MUSE_RUN_ID", "MUSE_COORD_SYNC", "NO_COLOR"] {
        // A variable that is set to nothing counts as not set.
        match env::var_os(name).filter(|value| !value.is_empty()).map(|value| text(name, &value).map(str::to_owned)) {
            Some(Ok(value)) => _ = wasi.env(name, value),
            // Help is given whatever is wrong with the value.
            Some(Err(failure)) if purpose != Purpose::Help => return Err(failure),
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}

fn text<'a>(name: &'static str, value: &'a OsStr) -> Result<&'a str, Failure> {
    value.to_str().ok_or_else(|| Failure::Variable { name, value: value.to_owned() })
}

/// The variables, and the size of the terminal as it is at this moment: it may be drawn to another size while the
/// component runs, which asks again then.
fn environment(sandbox: &mut Sandbox) -> wasmtime::Result<Vec<(String, String)>> {
    let mut variables = cli::environment::Host::get_environment(&mut sandbox.cli())?;
    if let Some((width, height)) = terminal_size::terminal_size_of(io::stdout()) {
        variables.extend([("COLUMNS".into(), width.0.to_string()), ("LINES".into(), height.0.to_string())]);
    }
    Ok(variables)
}

/// The component knows the directory by its name on the host, and prints it; a name that isn't UTF-8 is only printed
/// inexactly, since it is opened here.
fn grant_directory(wasi: &mut WasiCtxBuilder, directory: &Path, purpose: Purpose) -> Result<(), StoreError> {
    let opened = match (open(wasi, directory), purpose) {
        // Help is given whatever is wrong with the directory.
        (Err(_), Purpose::Help) => return Ok(()),
        (Err(error), Purpose::Init | Purpose::Work) if error.kind() == io::ErrorKind::NotFound => {
            repository::ready(directory)?;
            open(wasi, directory)
        }
        (opened, _) => opened,
    };
    process::share_as(directory);
    opened.map_err(|error| repository::unusable(directory, error))
}

fn open(wasi: &mut WasiCtxBuilder, directory: &Path) -> io::Result<()> {
    let permissions = if is_read_only(directory) { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
    if File::open(directory).is_ok_and(coord_store::syncs_as_a_whole) {
        wasi.env(coord_store::SYNCS_FILESYSTEM, "1");
    }
    match wasi.preopened_dir(directory, directory.to_string_lossy(), permissions) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.downcast().unwrap_or_else(io::Error::other)),
    }
}

/// WASI has no error of its own for a change on a read-only filesystem, but one for a change in a directory that was
/// granted for reading only. A filesystem that does not say counts as writable.
fn is_read_only(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|filesystem| filesystem.f_flag.contains(StatVfsMountFlags::RDONLY))
}
