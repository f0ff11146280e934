//! `muse` where the queue is on an engine: the file that leads there, the program that reaches it, and its answers.
//! Real processes, and a PostgreSQL server of the tests' own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod agents;
mod faces;
mod hosts;
mod moved;
mod pointer;
mod reached;

use coord_tests::postgres::Server;
use coord_tests::{Call, Repo};

/// A server, and the text of an address on it that nobody has used.
struct Engine {
    server: Server,
    address: String,
}

impl Engine {
    fn start() -> Option<Engine> {
        let server = Server::start()?;
        let address = server.address(&server.schema()).to_string();
        Some(Engine { server, address })
    }

    /// The address, when there is a queue.
    fn made(&self) -> &str {
        let repo = Repo::bare().on(&self.address);
        repo.coord("init").succeeded();
        &self.address
    }

    fn another_address(&self) -> String {
        self.server.address(&self.server.schema()).to_string()
    }
}

/// `muse coord init --store ADDRESS`.
fn init(repo: &Repo, address: &str) -> Call {
    repo.call(["coord", "init", "--json", "--store", address])
}
