//! beanstalkd, the server that people would start instead, and as much of a client as a batch needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Agent;
use crate::program::{Programs, Server};
use crate::task;

/// The file in which agents find the server.
const PORT: &str = "port";

/// Starts a server with its binlog in the directory, on loopback alone.
pub(super) fn serve(directory: &Path, syncing: &str, programs: &Programs) -> Result<Server> {
    std::fs::create_dir_all(directory)?;
    // Free now, and so soon after most likely still.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    std::fs::write(directory.join(PORT), port.to_string())?;
    let mut command = Command::new(programs.beanstalkd.as_ref().context("beanstalkd is not there")?);
    command.args(["-l", "127.0.0.1", "-p", &port.to_string(), syncing, "-b"]).arg(directory);
    let server = Server::start(command)?;
    for _ in 0..500 {
        if Client::open(directory).is_ok() {
            return Ok(server);
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("beanstalkd does not answer")
}

/// An agent with a connection of its own.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    held: Option<String>,
}

impl Client {
    pub(super) fn open(directory: &Path) -> Result<Client> {
        let port: u16 = std::fs::read_to_string(directory.join(PORT))?.parse()?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream), held: None })
    }

    /// Sends a command, and reads the line that answers it.
    fn ask(&mut self, command: &str) -> Result<String> {
        self.stream.get_mut().write_all(command.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// What follows such a line.
    fn body(&mut self, bytes: &str) -> Result<String> {
        let mut body = vec![0; bytes.parse::<usize>()? + "\r\n".len()];
        self.stream.read_exact(&mut body)?;
        Ok(String::from_utf8(body)?)
    }

    fn statistic(&mut self, name: &str) -> Result<u64> {
        let answer = self.ask("stats\r\n")?;
        let body = self.body(answer.strip_prefix("OK ").context("beanstalkd told no statistics")?)?;
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(line.with_context(|| format!("beanstalkd does not tell {name}"))?.trim().parse()?)
    }
}

impl Agent for Client {
    fn enqueue(&mut self, number: u64) -> Result<()> {
        let job = format!(r#"{{"title":"{}","payload":{}}}"#, task::title(number), task::payload(number));
        let answer = self.ask(&format!("put 0 0 {} {}\r\n{job}\r\n", task::LEASE_SECONDS, job.len()))?;
        ensure!(answer.starts_with("INSERTED "), "beanstalkd answered a put with {answer:?}");
        Ok(())
    }

    fn claim(&mut self) -> Result<bool> {
        let answer = self.ask("reserve-with-timeout 0\r\n")?;
        let mut words = answer.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("RESERVED"), Some(id), Some(bytes)) => {
                self.body(bytes)?;
                self.held = Some(id.to_owned());
                Ok(true)
            }
            (Some("TIMED_OUT"), ..) => Ok(false),
            _ => bail!("beanstalkd answered a reserve with {answer:?}"),
        }
    }

    fn complete(&mut self) -> Result<()> {
        let id = self.held.take().context("nothing is claimed")?;
        let answer = self.ask(&format!("delete {id}\r\n"))?;
        ensure!(answer == "DELETED", "beanstalkd answered a delete with {answer:?}");
        Ok(())
    }
}

pub(super) fn fill(directory: &Path, count: u64) -> Result<()> {
    let mut client = Client::open(directory)?;
    (0..count).try_for_each(|number| client.enqueue(number))
}

/// It forgets what was deleted, and counts it.
pub(super) fn ended(directory: &Path) -> Result<u64> {
    let mut client = Client::open(directory)?;
    let left = client.statistic("current-jobs-ready")? + client.statistic("current-jobs-reserved")?;
    ensure!(left == 0, "{left} jobs are left");
    client.statistic("cmd-delete")
}
