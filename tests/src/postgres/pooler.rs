//! A pooler by transactions: it answers each request by the next of a few server connections, so that whatever a
//! session keeps is somebody else's for the next request.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use coord_postgres::Address;

/// Connections to the server, for each that is made to the pooler.
const SERVERS: usize = 3;

/// No authentication; the id and the secret of a process that is not the server's; ready.
const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";

/// A pooler that goes on until the test ends.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
}

impl Pooler {
    /// Begins to pool connections to the server behind this socket.
    pub(super) fn start(socket: PathBuf) -> Pooler {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("a port").port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let socket = socket.clone();
                // A client that leaves ends it.
                thread::spawn(move || serve(client, &socket));
            }
        });
        Pooler { port }
    }

    /// Where a queue is behind it.
    pub fn address(&self, schema: &str) -> Address {
        let text = format!("postgres://muse@127.0.0.1:{}/postgres?schema={schema}", self.port);
        text.parse().expect("an address")
    }
}

fn serve(mut client: TcpStream, socket: &Path) -> io::Result<()> {
    let startup = read_startup(&mut client)?;
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        let mut server = UnixStream::connect(socket)?;
        server.write_all(&startup)?;
        until_ready(&mut server)?;
        servers.push(server);
    }
    client.write_all(GREETING)?;
    client.set_nodelay(true)?;
    for server in (0..servers.len()).cycle() {
        let Some(server) = servers.get_mut(server) else { break };
        let Ok(request) = read_request(&mut client) else { break };
        server.write_all(&request)?;
        client.write_all(&until_ready(server)?)?;
    }
    client.shutdown(Shutdown::Both)
}

fn read_startup(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 4];
    client.read_exact(&mut message)?;
    let length = u32::from_be_bytes(message.as_slice().try_into().map_err(io::Error::other)?);
    let mut rest = vec![0; length as usize - 4];
    client.read_exact(&mut rest)?;
    message.extend(rest);
    Ok(message)
}

/// What a client says until it waits for an answer: a simple query, or anything up to a `Sync`.
fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    while !matches!(read_message(client, &mut request)?, b'Q' | b'S' | b'X') {}
    Ok(request)
}

/// What a server says until it is ready for more.
fn until_ready(server: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    while read_message(server, &mut answer)? != b'Z' {}
    Ok(answer)
}

/// Adds a message, and tells its kind.
fn read_message(from: &mut impl Read, to: &mut Vec<u8>) -> io::Result<u8> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    from.read_exact(&mut body)?;
    to.extend_from_slice(&head);
    to.extend(body);
    Ok(kind)
}
