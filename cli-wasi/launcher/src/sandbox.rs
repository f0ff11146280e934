//! What the component is given, in full: its arguments, the standard streams, the clocks, randomness, a few variables,
//! and one directory.
//!
//! Guaranteed: it cannot name anything else. Sockets are not even linked, so a component that imports them doesn't
//! start. The directory is opened, and made if it is missing, when the component asks for it, and so is a file to read:
//! it does once all that was typed has been checked, and never for help. So a command line that is refused leaves no
//! trace.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use coord_core::store::StoreError;
use coord_store::repository::Purpose;
use coord_store::{process, repository};
use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{InputFile, StdinStream as _, WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi::p2::bindings::cli::stdin::Host as _;
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io as streams, random};
use wasmtime_wasi::p2::pipe::{ClosedInputStream, ClosedOutputStream};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{FsPerms, OpenMode, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::failure::Failure;
use crate::invocation::Invocation;

/// The state behind the component's imports. `M` is what a program has beside: where it is not a directory that is
/// granted, the connection to an engine.
pub struct Sandbox<M = ()> {
    wasi: WasiCtx,
    table: ResourceTable,
    directory: Option<Result<PathBuf, Failure>>,
    input: Option<PathBuf>,
    medium: M,
}

impl<M: Send> Sandbox<M> {
    /// Grants the arguments (without the program's name) and the coordination directory, or the reason why it cannot be
    /// found. A file to read stands for standard input.
    pub fn new(
        Invocation { arguments, purpose, input, .. }: &Invocation,
        directory: Option<Result<PathBuf, Failure>>,
        medium: M,
    ) -> Result<Self, Failure> {
        let mut wasi = WasiCtx::builder();
        // The component is alone on this thread: a file operation need not be sent to another one.
        wasi.allow_blocking_current_thread(true);
        grant_streams(&mut wasi);
        grant_arguments(&mut wasi, arguments)?;
        grant_variables(&mut wasi);
        wasi.env(coord_store::APPENDS, "1");
        if let Some(Ok(directory)) = &directory {
            tell_of_the_filesystem(&mut wasi, directory);
            if *purpose == Purpose::Judge
                && let Some(who) = repository::open_to_others(directory)
            {
                wasi.env(coord_store::OPEN_TO_OTHERS, who);
            }
        }
        Ok(Self { wasi: wasi.build(), table: ResourceTable::new(), directory, input: input.clone(), medium })
    }

    /// The component knows the directory by its name on the host, and prints it; a name that isn't UTF-8 is only
    /// printed inexactly, since it is opened here.
    fn directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let directory = match self.directory.take().transpose()? {
            Some(directory) => directory,
            None => return Ok(Vec::new()),
        };
        let opened = open_or_make(&directory).map_err(Failure::Directory)?;
        let name = directory.to_string_lossy().into_owned();
        self.directory = Some(Ok(directory));
        Ok(vec![(self.table.push(Descriptor::Dir(opened))?, name)])
    }

    fn stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let Some(path) = &self.input else { return self.cli().get_stdin() };
        let file = open_input(path).map_err(|source| Failure::Input { path: path.clone(), source })?;
        Ok(self.table.push(InputFile::new(file).p2_stream())?)
    }

    /// What the program has beside.
    pub fn medium(&mut self) -> &mut M {
        &mut self.medium
    }

    /// What is open.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl<M: Send> WasiView for Sandbox<M> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Links the interfaces of `wasi:cli/command` without `wasi:sockets`.
pub fn link<M: Send + 'static>(linker: &mut Linker<Sandbox<M>>) -> wasmtime::Result<()> {
    let l = linker;
    streams::error::add_to_linker::<_, Table>(l, Sandbox::table)?;
    streams::poll::add_to_linker::<_, Table>(l, Sandbox::table)?;
    streams::streams::add_to_linker::<_, Table>(l, Sandbox::table)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, Sandbox::filesystem)?;
    l.instance(PREOPENS)?
        .func_wrap("get-directories", |mut store: Store<'_, M>, ()| Ok((store.data_mut().directories()?,)))?;
    muse_filesystem::link(l)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, Sandbox::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, Sandbox::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    cli::environment::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    l.allow_shadowing(true);
    l.instance(ENVIRONMENT)?
        .func_wrap("get-environment", |mut store: Store<'_, M>, ()| Ok((environment(store.data_mut())?,)))?;
    l.allow_shadowing(false);
    cli::exit::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    l.instance(STDIN)?.func_wrap("get-stdin", |mut store: Store<'_, M>, ()| Ok((store.data_mut().stdin()?,)))?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, Sandbox::cli)
}

/// The interfaces that are answered here, as this version of `wasmtime-wasi` names them.
const ENVIRONMENT: &str = "wasi:cli/environment@0.2.12";
const PREOPENS: &str = "wasi:filesystem/preopens@0.2.12";
const STDIN: &str = "wasi:cli/stdin@0.2.12";

type Store<'a, M> = StoreContextMut<'a, Sandbox<M>>;

/// The part of the sandbox that `wasi:io` works on.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// An output that was closed when this process was started is closed to the component, too: what is written there
/// reaches nobody, which the component must learn.
fn grant_streams(wasi: &mut WasiCtxBuilder) {
    match own_input() {
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

/// WASI passes text. Of a variable that is none its text is passed as far as it is, and, as the name of the variable
/// with `_NOT_UTF8` behind it, how to show it: the component refuses it where it is used.
fn grant_variables(wasi: &mut WasiCtxBuilder) {
    for name in ["MUSE_RUN_ID", "MUSE_COORD_SYNC", "NO_COLOR"] {
        // A variable that is set to nothing counts as not set.
        let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { continue };
        wasi.env(name, value.to_string_lossy());
        if value.to_str().is_none() {
            wasi.env(format!("{name}_NOT_UTF8"), format!("{value:?}"));
        }
    }
}

/// The variables, and the size of the terminal as it is at this moment: it may be drawn to another size while the
/// component runs, which asks again then.
fn environment<M: Send>(sandbox: &mut Sandbox<M>) -> wasmtime::Result<Vec<(String, String)>> {
    let mut variables = cli::environment::Host::get_environment(&mut sandbox.cli())?;
    if let Some((width, height)) = terminal_size::terminal_size_of(io::stdout()) {
        variables.extend([("COLUMNS".into(), width.0.to_string()), ("LINES".into(), height.0.to_string())]);
    }
    Ok(variables)
}

fn open_or_make(directory: &Path) -> Result<Dir, StoreError> {
    let opened = match open(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            repository::ready(directory)?;
            open(directory)
        }
        opened => opened,
    };
    process::share_as(directory);
    opened.map_err(|error| repository::unusable(directory, error))
}

fn open(directory: &Path) -> io::Result<Dir> {
    let (permissions, mode) = match is_read_only(directory) {
        true => (FsPerms::ReadOnly, OpenMode::READ),
        false => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
    };
    let opened = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Dir::new(opened.into(), permissions, mode, true))
}

/// Opens the file that the component is to read.
fn open_input(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

/// Tells the component of the filesystem of the directory, or of the one that it will be made on.
fn tell_of_the_filesystem(wasi: &mut WasiCtxBuilder, directory: &Path) {
    let open =
        |path: &Path| rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let Ok(opened) = open(directory).or_else(|errno| directory.parent().map_or(Err(errno), open)) else { return };
    if let Some(orders_names) = coord_store::orders_names(&opened) {
        wasi.env(coord_store::ORDERS_NAMES, if orders_names { "1" } else { "0" });
    }
    if coord_store::syncs_as_a_whole(&opened) {
        wasi.env(coord_store::SYNCS_FILESYSTEM, "1");
    }
}

/// WASI has no error of its own for a change on a read-only filesystem, but one for a change in a directory that was
/// granted for reading only. A filesystem that does not say counts as writable.
fn is_read_only(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|filesystem| filesystem.f_flag.contains(StatVfsMountFlags::RDONLY))
}
