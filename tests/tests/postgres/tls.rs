//! Whom the store trusts: it sends nothing in the clear to another machine, and a password to nobody but its server.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use coord_core::Queue;
use coord_core::Turn;
use coord_core::name::Nonce;
use coord_postgres::{OpenError, Passwords, PostgresStore, SetFor, TlsError, Variable};
use coord_tests::postgres::{Authority, Server, Setup, free_port};
use coord_tests::report;
use muse_cli::host::now;

const PASSWORD: &str = "hunter2";

/// What asks for encryption, and tells nothing.
const ASKS_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server on a port of this machine, that has a certificate for `localhost`.
fn certified(authority: &Authority, is_valid: bool) -> Option<(Server, u16)> {
    listening(&["ssl=on"], authority.files_for("localhost", is_valid))
}

/// A server on a port of this machine, which asks for a password there.
fn listening(settings: &[&str], mut files: Vec<(&'static str, String)>) -> Option<(Server, u16)> {
    let port = free_port();
    files.push(("pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n".to_string()));
    let mut settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    settings.push("listen_addresses=127.0.0.1".to_string());
    let server = Server::with(&Setup { settings, files, port: Some(port), ..Setup::default() })?;
    server.sql(&format!("alter user muse password '{PASSWORD}'"));
    Some((server, port))
}

fn knowing(password: &str) -> Passwords {
    let variable = Variable { password: password.to_string(), set_for: SetFor::Address };
    Passwords { variable: Some(variable), file: None }
}

fn open(text: &str) -> Result<PostgresStore, OpenError> {
    coord_postgres::create(&text.parse().unwrap(), knowing(PASSWORD))
}

fn refused(text: &str) -> OpenError {
    open(text).err().unwrap()
}

#[test]
fn a_verified_server_is_asked_and_no_other() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let Some((server, port)) = certified(&authority, true) else { return };
    let at = |host: &str, roots: &Authority| {
        let roots = roots.file();
        format!("postgres://muse@{host}:{port}/postgres?schema=tls&sslmode=verify-full&sslrootcert={}", roots.display())
    };
    let begun = Instant::now();
    let queue = Queue::open(open(&at("localhost", &authority)).unwrap()).unwrap();
    queue.init(&Turn::new(&now, Nonce::from_bits(1))).unwrap();
    report(format_args!("opened with TLS and a password in {:?}", begun.elapsed()));
    let encrypted = server.sql(
        "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
        where ssl and application_name = 'muse coord'",
    );
    assert_eq!(encrypted, "1");

    let untrusted = refused(&at("localhost", &other));
    assert!(matches!(untrusted, OpenError::Tls(TlsError::UnknownAuthority(_))), "{untrusted}");
    assert!(untrusted.to_string().contains("sslrootcert=PATH"), "{untrusted}");
    let unknown = refused(&format!("postgres://muse@localhost:{port}/postgres?sslmode=require"));
    assert!(matches!(unknown, OpenError::Tls(TlsError::UnknownAuthority(_) | TlsError::NoRoots { .. })), "{unknown}");
    let misnamed = refused(&at("127.0.0.1", &authority));
    assert!(matches!(misnamed, OpenError::Tls(TlsError::OtherHost { .. })), "{misnamed}");
    assert!(
        misnamed.to_string().contains("certificate of 127.0.0.1 is for ") && misnamed.to_string().contains("localhost")
    );
}

#[test]
fn a_certificate_out_of_time_is_refused() {
    let authority = Authority::new("ours");
    let Some((_server, port)) = certified(&authority, false) else { return };
    let roots = authority.file();
    let roots = roots.display();
    let why = refused(&format!("postgres://muse@localhost:{port}/q?sslmode=verify-full&sslrootcert={roots}"));
    assert!(matches!(why, OpenError::Tls(TlsError::OutOfTime(_))), "{why}");
}

#[test]
fn a_file_without_a_certificate_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    for content in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")] {
        content.iter().for_each(|content| std::fs::write(&file, content).unwrap());
        let why = refused(&format!("postgres://muse@db.invalid/q?sslrootcert={}", file.display()));
        assert!(matches!(why, OpenError::Tls(TlsError::NoRoots { file: Some(_), .. })), "{why}");
    }
}

#[test]
fn a_server_without_tls_is_told_nothing() {
    let Some((server, port)) = listening(&[], Vec::new()) else { return };
    let authority = Authority::new("ours");
    let why = refused(&format!(
        "postgres://muse@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={}",
        authority.file().display()
    ));
    assert!(matches!(why, OpenError::Tls(TlsError::NotOffered(_))), "{why}");
    assert!(why.to_string().contains("ssl = on"), "{why}");
    // In the clear, it would have answered.
    open(&format!("postgres://muse@127.0.0.1:{port}/postgres")).unwrap();
    drop(server);
}

#[test]
fn a_password_that_is_missing_or_wrong_is_told_as_such() {
    let Some((server, port)) = listening(&[], Vec::new()) else { return };
    let address = format!("postgres://muse@127.0.0.1:{port}/postgres").parse().unwrap();
    let open = |passwords| coord_postgres::create(&address, passwords).err().expect("it is refused").to_string();
    let missing = open(Passwords::default());
    assert!(missing.contains("127.0.0.1 asks for a password") && missing.contains("~/.pgpass"), "{missing}");
    let for_another = Variable { password: PASSWORD.to_string(), set_for: SetFor::Host("other".to_string(), port) };
    let passed_over = open(Passwords { variable: Some(for_another), file: None });
    assert!(passed_over.contains("PGPASSWORD counts only if"), "{passed_over}");
    let wrong = open(knowing("wrong"));
    assert!(wrong.contains("password authentication failed for user \"muse\"") && !wrong.contains("wrong"), "{wrong}");
    drop(server);
}

/// Of whoever takes the place of a server, nothing is learnt but that somebody would like encryption.
#[test]
fn nothing_leaves_this_machine_in_the_clear() {
    // No packet is sent by this: it tells by which address others know this machine.
    let route = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let seen_by_others = route.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| route.local_addr());
    let beside = seen_by_others.map(|address| address.ip()).ok().filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    if beside.is_none() {
        report("SKIPPED in part: this machine has no address but its own");
    }
    let authority = Authority::new("ours");
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for (ip, mode) in [(Some(here), "&sslmode=verify-full"), (beside, ""), (beside, "&sslmode=require")] {
        let Some(ip) = ip else { continue };
        for answer in [Some(b'N'), Some(b'E'), None] {
            let (address, heard) = impostor(ip, answer);
            let file = authority.file();
            let text = format!("postgres://muse@{ip}:{}/q?sslrootcert={}{mode}", address.port(), file.display());
            let why = refused(&text);
            assert!(matches!(why, OpenError::Tls(TlsError::NotOffered(_)) | OpenError::Server(_)), "{why}");
            assert_eq!(heard.join().unwrap(), ASKS_FOR_TLS, "{text}");
        }
    }
}

/// Somebody who answers the first request, if at all, and hears what is said to him until then and after.
fn impostor(ip: IpAddr, answer: Option<u8>) -> (SocketAddr, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut heard = vec![0; ASKS_FOR_TLS.len()];
        stream.read_exact(&mut heard).unwrap();
        match answer {
            Some(answer) => stream.write_all(&[answer]).unwrap(),
            None => stream.shutdown(std::net::Shutdown::Write).unwrap(),
        }
        _ = stream.read_to_end(&mut heard);
        heard
    });
    (address, heard)
}
