//! `cargo xtask test`: every test of the workspace, on the product as it is built for people.
//!
//! The tests of the built programs find them by environment variables, each an absolute path:
//! - `MUSE_BIN`: the launcher, `MUSE_WASM`: the command component by itself, `MUSE_COORD_WASM`: the library component,
//!   `MUSE_COORD_STORE_WASM`: the same on an engine;
//! - `MUSE_CWASM`, `MUSE_COORD_CWASM`, `MUSE_ON_STORE_CWASM`, `MUSE_COORD_STORE_CWASM`: the components as `muse` and
//!   `muse-host` embed them, for these programs are compiled again with their own tests;
//! - `MUSE_AGENT`: `muse-agent`, which is `muse-host` by another name, `MUSE_GUEST_AGENT`: the agent of the tests, a
//!   component, `MUSE_GUEST_COMPOSED`: the same, composed with the library;
//! - `MUSE_EXAMPLES`: the directory of the example components;
//! - `AGENT_EXAMPLES`: the directory of the example agents, each by itself and composed with the library;
//! - `WASMTIME`: a stock wasmtime;
//! - `HOST_RUST`, `PYTHON`, `NODE`: what runs the example hosts;
//! - `POSTGRES`, `POSTGRES_18`: the directories of the programs of a PostgreSQL server, and of one of version 18;
//! - `LIBFAKETIME`: the library that gives a program another clock;
//! - `NODE` and `DENO` also run the agents in `JS_AGENTS`, a directory with the npm package beside them.
//!
//! All of them are built first. Then the suites run side by side: `suites.rs`. The tests of the npm package are
//! JavaScript, and are suites among the others.

use crate::agents;
use crate::build::{self, NATIVE};
use crate::components;
use crate::hosts;
use crate::js;
use crate::postgres;
use crate::power_cut;
use crate::suites::{self, Suite};
use crate::tools;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use xshell::cmd;

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Passed on to `cargo test`, which then runs alone: `cargo xtask test -- --test races -- --nocapture`
    #[arg(last = true)]
    cargo_arguments: Vec<String>,
}

/// The environment of all tests, beside what they inherit.
type Variables = Vec<(&'static str, PathBuf)>;

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sh = &workspace.shell;
    let parts = &workspace.parts;
    power_cut::ensure_filesystems(workspace);
    let built = parts.time("the product", || build::product(workspace))?;
    let (examples, [guest, lines]) = parts.time("components of the tests", || {
        Ok((components::examples(workspace)?, components::guest_agents(workspace)?))
    })?;
    let agents = parts.time("example agents", || agents::build(workspace, &built.library))?;
    let composed = agents.with_file_name("guest-lines-composed.wasm");
    let composed = agents::composed(workspace, &lines, &built.library, composed)?;
    let hosts = parts.time("example hosts", || hosts::ready(workspace, &built.library))?;
    let javascript = parts.time("the npm package", || js::test::ready(workspace))?;
    let wasmtime = parts.time("a stock wasmtime", || tools::wasmtime(workspace))?;
    let mut variables: Variables = built.embedded.variables().map(|(name, path)| (name, path.to_owned())).into();
    variables.extend([
        ("MUSE_BIN", built.muse.clone()),
        ("MUSE_WASM", built.component),
        ("MUSE_COORD_WASM", built.library),
        ("MUSE_COORD_STORE_WASM", built.library_on_store),
        ("MUSE_COORD_SQL_WASM", built.library_on_sql),
        ("MUSE_AGENT", built.agent),
        ("MUSE_GUEST_AGENT", guest),
        ("MUSE_GUEST_COMPOSED", composed),
        ("MUSE_EXAMPLES", examples),
        ("AGENT_EXAMPLES", agents),
        ("WASMTIME", wasmtime),
        ("HOST_RUST", hosts.rust),
        ("PYTHON", hosts.python.clone()),
        ("NODE", hosts.node),
        ("DENO", javascript.deno.clone()),
        ("JS_AGENTS", javascript.agents.clone()),
        // A snapshot that differs fails its test and leaves no file behind.
        ("INSTA_UPDATE", "no".into()),
    ]);
    variables.extend(postgres::programs(workspace)?.map(|programs| ("POSTGRES", programs)));
    variables.extend(postgres::libfaketime(workspace)?.map(|library| ("LIBFAKETIME", library)));
    variables.extend(postgres::programs_of_18(workspace, &hosts.python)?.map(|programs| ("POSTGRES_18", programs)));
    let arguments = &options.cargo_arguments;
    if !arguments.is_empty() {
        return Ok(cmd!(sh, "cargo test {NATIVE...} {arguments...}").envs(variables).run()?);
    }
    let mut all = parts.time("the tests", || suites_in_rust(workspace, &variables))?;
    all.extend(js::test::suites(workspace, &javascript, &built.muse)?);
    let found = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, path)| path.as_path());
    if let (Some(of_15), Some(of_18)) = (found("POSTGRES"), found("POSTGRES_18")) {
        let on_postgres = on_postgres(workspace)?;
        all.extend(js::test::suites_on_servers(workspace, &javascript, &built.muse, &on_postgres, [of_15, of_18])?);
    }
    suites::run(workspace, all)?;
    parts
        .time("the examples in documentation", || Ok(cmd!(sh, "cargo test {NATIVE...} --doc").envs(variables).run()?))
}

/// Builds the programs that `cargo test` runs.
fn suites_in_rust(workspace: &Workspace, variables: &Variables) -> Result<Vec<Suite>> {
    let sh = &workspace.shell;
    let built = cmd!(sh, "cargo test {NATIVE...} --no-run --message-format=json-render-diagnostics");
    let messages = built.envs(variables.iter().cloned()).read()?;
    let messages = messages.lines().map(|line| serde_json::from_str(line).context("cargo told something else"));
    let messages = messages.collect::<Result<Vec<Message>>>()?;
    let suites = messages.iter().filter_map(|message| message.suite(variables).transpose());
    let mut suites = suites.collect::<Result<Vec<Suite>>>()?;
    if variables.iter().any(|(name, _)| *name == "POSTGRES") {
        let on_postgres = on_postgres(workspace)?;
        let agents = suites.iter().filter(|suite| suite.name == "agent");
        suites.extend(agents.map(|agents| agents.on_postgres(&on_postgres)).collect::<Vec<_>>());
    }
    Ok(suites)
}

/// What runs tests with their queues on a server.
fn on_postgres(workspace: &Workspace) -> Result<PathBuf> {
    Ok(workspace.target()?.join("release/on_postgres"))
}

/// Tests of agents that break the directory.
const OF_DIRECTORIES: [&str; 6] = [
    "what_a_claim_meets_in_another_queue_is_not_told_to_a_confined_agent",
    "what_is_wrong_in_another_queue_is_told_to_whoever_runs_the_agent_and_not_to_it",
    "an_agent_is_not_begun_where_the_queue_cannot_be_looked_at",
    "what_a_wait_meets_in_another_queue_is_not_told_to_a_confined_agent",
    "an_agent_that_meets_a_fifo_goes_on",
    "an_agent_whose_tasks_record_became_a_fifo_is_stopped_and_the_task_is_told",
];

impl Suite {
    /// The same tests with their queues on a server.
    fn on_postgres(&self, program: &Path) -> Suite {
        let mut command = Command::new(program);
        command.arg(self.command.get_program()).args(self.command.get_args());
        command.args(OF_DIRECTORIES.iter().flat_map(|name| ["--skip", name]));
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().unwrap_or(Path::new(".")));
        Suite { name: format!("{} on postgres", self.name), command }
    }
}

/// What cargo tells of a part of its work, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    /// Of what is compiled.
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Message {
    /// The program, if this is one with tests, to be run where and as cargo runs it.
    fn suite(&self, variables: &Variables) -> Result<Option<Suite>> {
        let Message { target: Some(target), profile: Some(profile), .. } = self else { return Ok(None) };
        let (Some(program), true) = (&self.executable, profile.test) else { return Ok(None) };
        let directory = self.manifest_path.as_deref().and_then(Path::parent).context("cargo names no manifest")?;
        let mut command = Command::new(program);
        command.current_dir(directory).env("CARGO_MANIFEST_DIR", directory);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        // The tests inside of a library or program have its name; there may be others of the same.
        let is_inside = !target.kind.iter().any(|kind| kind == "test");
        let kind = target.kind.first().map_or("", String::as_str);
        let name = if is_inside { format!("{} ({kind})", target.name) } else { target.name.clone() };
        Ok(Some(Suite { name, command }))
    }
}
