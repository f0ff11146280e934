//! What a server promises: how safe what it acknowledges is, and what makes it slow. For `doctor`.

use std::fmt;

use coord_core::store::StoreError;
use coord_sql::{About, Asked, Failure, Row, Server, statements};

use crate::connection::Postgres;

/// What a server promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promises {
    /// The version of the server, as it says it.
    pub server_version: String,
    /// What a change waits for that has to be durable: the server's `synchronous_commit`, but `on` where that is less.
    pub synchronous_commit: String,
    /// Whether the server waits until the disk has what is written.
    pub fsync: bool,
    /// Whether a page that is half written when the power goes can be restored.
    pub full_page_writes: bool,
    /// Which standbys a durable change waits for.
    pub synchronous_standby_names: String,
    /// The standbys that are connected.
    pub standbys: Vec<Standby>,
    /// Whether dead rows are removed.
    pub autovacuum: bool,
    /// Whether this server is a standby itself, which takes no changes.
    pub is_standby: bool,
    /// What has kept the server the longest from removing dead rows.
    pub oldest: Option<Holder>,
    /// Whether the user may see what others do; if not, standbys and holders may be missing.
    pub sees_all: bool,
    /// Whether no pooler is in between.
    pub is_direct: bool,
}

/// A server that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standby {
    /// Its name.
    pub name: String,
    /// Whether a durable change waits for it, or may; `None`: the user may not see that.
    pub is_synchronous: Option<bool>,
}

/// What keeps rows that nobody else needs any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it is.
    pub kind: HolderKind,
    /// Its name: the id of a process, of a prepared transaction, or of a slot.
    pub name: String,
    /// The program that a process serves, if it says so.
    pub program: String,
    /// For how long; of a slot that is not known.
    pub seconds: Option<u64>,
    /// How many transactions have begun since.
    pub transactions: u64,
}

/// A kind of holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderKind {
    /// A transaction, or a statement, that has not ended.
    Transaction,
    /// A transaction that was prepared, and neither committed nor rolled back.
    Prepared,
    /// A replication slot, or a standby that passes on what its readers need.
    Slot,
}

/// A transaction that is open for longer is told.
const LONG_SECONDS: u64 = 300;
/// A slot that holds on to more transactions is told.
const MANY_TRANSACTIONS: u64 = 100_000;

impl Postgres {
    /// Asks what the server promises.
    pub fn promises(&self) -> Result<Promises, StoreError> {
        let about = About { operation: "examine", path: &"the server" };
        let asked = [statements::PROMISES, statements::STANDBYS, statements::HOLDER].map(Asked::new);
        let mut answers = self.ask(asked.into())?.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Ok(Vec::new()));
        let mut read = || {
            let (settings, standbys, holders) = (next()?, next()?, next()?);
            let Some(mut row) = settings.into_iter().next() else { return Ok(Promises::default()) };
            Ok(Promises {
                server_version: row.take(0)?,
                synchronous_commit: row.take(1)?,
                fsync: row.take(2)?,
                full_page_writes: row.take(3)?,
                synchronous_standby_names: row.take(4)?,
                autovacuum: row.take(5)?,
                is_standby: row.take(6)?,
                sees_all: row.take(7)?,
                is_direct: self.is_direct(),
                standbys: standbys.into_iter().map(standby).collect::<Result<_, _>>()?,
                oldest: holders.into_iter().next().map(holder).transpose()?,
            })
        };
        read().map_err(|failure| about.failed(&failure))
    }
}

fn standby(mut row: Row) -> Result<Standby, Failure> {
    Ok(Standby { name: row.take(0)?, is_synchronous: row.take(1)? })
}

fn holder(mut row: Row) -> Result<Holder, Failure> {
    let kind: String = row.take(0)?;
    let kind = match kind.as_str() {
        "transaction" => HolderKind::Transaction,
        "prepared" => HolderKind::Prepared,
        _ => HolderKind::Slot,
    };
    let (seconds, transactions): (Option<i64>, i64) = (row.take(3)?, row.take(4)?);
    Ok(Holder {
        kind,
        name: row.take(1)?,
        program: row.take(2)?,
        seconds: seconds.map(i64::unsigned_abs),
        transactions: transactions.unsigned_abs(),
    })
}

impl Promises {
    /// What is to be known: each is a few sentences, on what it is, what it means for the queue, and what to do.
    pub fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        self.of_the_disk(&mut findings);
        self.of_standbys(&mut findings);
        self.of_dead_rows(&mut findings);
        if !self.is_direct {
            findings.push(
                "A pooler is between here and the server. Statements are not prepared, and agents that wait look four \
                 times a second. Connect to the server itself if that is too slow."
                    .to_string(),
            );
        }
        if !self.sees_all {
            findings.push(
                "The user of the queue may not see what others do on the server, so standbys and long transactions may \
                 be missing here. A superuser can allow it: grant pg_read_all_stats to the user."
                    .to_string(),
            );
        }
        findings
    }

    fn of_the_disk(&self, findings: &mut Vec<String>) {
        if !self.fsync {
            findings.push(
                "fsync is off. If the server's machine stops, results that were acknowledged may be lost, and the \
                 whole database damaged. Set fsync = on in postgresql.conf and reload the server."
                    .to_string(),
            );
        }
        if !self.full_page_writes {
            findings.push(
                "full_page_writes is off. If the server's machine stops, pages that were half written damage the \
                 database, unless its filesystem writes whole ones. Set full_page_writes = on in postgresql.conf and \
                 reload the server."
                    .to_string(),
            );
        }
        if self.is_standby {
            findings.push(
                "The server is a standby. It refuses every change. Give the address of the primary server.".to_string(),
            );
        }
    }

    fn of_standbys(&self, findings: &mut Vec<String>) {
        let is = |standby: &&Standby| standby.is_synchronous == Some(true);
        let lagging: Vec<&str> = self.named(|standby| standby.is_synchronous == Some(false));
        let waited_for = self.standbys.iter().filter(is).count();
        if !lagging.is_empty() {
            let names = lagging.join(", ");
            let what = if waited_for == 0 {
                "Name it in synchronous_standby_names, or accept that."
            } else {
                "Promote a synchronous one instead."
            };
            findings.push(format!(
                "Not synchronous: standby {names}. If it is promoted, what was acknowledged last may be lost. {what}"
            ));
        }
        let names = &self.synchronous_standby_names;
        if !names.is_empty() && waited_for == 0 && self.sees_all {
            findings.push(format!(
                "synchronous_standby_names is {names:?}, and no such standby is connected. Whatever ends a task waits \
                 until one is. Start the standby, or take its name out."
            ));
        }
        if !names.is_empty() && self.synchronous_commit == "remote_write" {
            findings.push(
                "synchronous_commit is remote_write. A standby has then received a result, but may not have it on disk \
                 yet. If both machines stop at once, it may be lost. Set synchronous_commit = on."
                    .to_string(),
            );
        }
    }

    fn named(&self, which: impl Fn(&Standby) -> bool) -> Vec<&str> {
        self.standbys.iter().filter(|standby| which(standby)).map(|standby| standby.name.as_str()).collect()
    }

    fn of_dead_rows(&self, findings: &mut Vec<String>) {
        if !self.autovacuum {
            findings.push(
                "autovacuum is off. Names that tasks have left are never removed, so each claim takes longer than the \
                 one before. Set autovacuum = on and track_counts = on in postgresql.conf and reload the server."
                    .to_string(),
            );
        }
        if let Some(holder) = self.oldest.as_ref().filter(|holder| holder.is_long()) {
            findings.push(format!(
                "{holder}. The server cannot remove names that tasks have left since, so claims take longer and \
                 longer. {}",
                holder.way_out()
            ));
        }
    }
}

impl Holder {
    fn is_long(&self) -> bool {
        self.seconds.is_some_and(|seconds| seconds > LONG_SECONDS) || self.transactions > MANY_TRANSACTIONS
    }

    fn way_out(&self) -> String {
        match self.kind {
            HolderKind::Transaction => format!("End it: select pg_terminate_backend({}).", self.name),
            HolderKind::Prepared => format!("End it: rollback prepared '{}'.", self.name.replace('\'', "''")),
            HolderKind::Slot => "Start its reader, or drop it: pg_drop_replication_slot.".to_string(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            HolderKind::Transaction if self.program.is_empty() => write!(f, "Process {} has a transaction", self.name)?,
            HolderKind::Transaction => write!(f, "Process {} ({}) has a transaction", self.name, self.program)?,
            HolderKind::Prepared => write!(f, "The prepared transaction {:?} is", self.name)?,
            HolderKind::Slot => write!(f, "The replication slot {:?} has its readers", self.name)?,
        }
        match self.seconds {
            Some(seconds) => write!(f, " open for {} minutes", seconds / 60),
            None => write!(f, " {} transactions behind", self.transactions),
        }
    }
}

/// The promise in one line.
impl fmt::Display for Promises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on_disk = if self.fsync { "on disk" } else { "handed to the system" };
        write!(f, "PostgreSQL {}: a result is acknowledged when it is {on_disk}", self.server_version)?;
        let waited_for = self.named(|standby| standby.is_synchronous == Some(true));
        if !waited_for.is_empty() {
            write!(f, " there and at standby {}, as {:?} asks", waited_for.join(", "), self.synchronous_standby_names)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Promises {
        Promises {
            server_version: "15.18".into(),
            synchronous_commit: "on".into(),
            fsync: true,
            full_page_writes: true,
            autovacuum: true,
            sees_all: true,
            is_direct: true,
            ..Promises::default()
        }
    }

    fn found(promises: Promises, words: [&str; 2]) {
        let findings = promises.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        for words in words {
            assert!(findings[0].contains(words), "{findings:?}");
        }
    }

    fn standby(name: &str, is_synchronous: Option<bool>) -> Standby {
        Standby { name: name.into(), is_synchronous }
    }

    fn holder(kind: HolderKind, seconds: Option<u64>, transactions: u64) -> Option<Holder> {
        Some(Holder { kind, name: "a'b".into(), program: "pg_dump".into(), seconds, transactions })
    }

    #[test]
    fn a_sound_server_gives_no_finding() {
        assert_eq!(sound().findings(), Vec::<String>::new());
        let standbys = vec![standby("s1", Some(true)), standby("s2", Some(true))];
        let quorum = Promises { standbys, synchronous_standby_names: "ANY 1 (s1, s2)".into(), ..sound() };
        assert_eq!(quorum.findings(), Vec::<String>::new());
        assert!(quorum.to_string().contains("on disk there and at standby s1, s2"), "{quorum}");
        let short = Promises { oldest: holder(HolderKind::Transaction, Some(200), 10), ..sound() };
        assert_eq!(short.findings(), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_is_amiss_is_told_with_what_to_do() {
        found(Promises { fsync: false, ..sound() }, ["results that were acknowledged may be lost", "fsync = on"]);
        found(Promises { full_page_writes: false, ..sound() }, ["damage", "full_page_writes = on"]);
        found(Promises { autovacuum: false, ..sound() }, ["each claim takes longer", "autovacuum = on"]);
        found(Promises { is_standby: true, ..sound() }, ["refuses every change", "primary"]);
        found(Promises { is_direct: false, ..sound() }, ["pooler", "Connect to the server itself"]);
        found(Promises { sees_all: false, ..sound() }, ["may be missing", "pg_read_all_stats"]);
        let transaction = holder(HolderKind::Transaction, Some(7_200), 5);
        found(
            Promises { oldest: transaction, ..sound() },
            ["(pg_dump) has a transaction open for 120 m", "pg_terminate"],
        );
        let prepared = holder(HolderKind::Prepared, Some(7_200), 5);
        found(Promises { oldest: prepared, ..sound() }, ["\"a'b\" is open for 120", "rollback prepared 'a''b'"]);
        let slot = holder(HolderKind::Slot, None, 1_000_000);
        found(Promises { oldest: slot, ..sound() }, ["1000000 transactions behind", "pg_drop_replication_slot"]);
    }

    #[test]
    fn what_a_standby_may_lose_is_told() {
        let alone = vec![standby("s1", Some(false))];
        found(Promises { standbys: alone, ..sound() }, ["standby s1", "acknowledged last may be lost. Name it in"]);
        let both = vec![standby("s1", Some(false)), standby("s2", Some(true))];
        let names = || "s2".to_string();
        let both = Promises { standbys: both, synchronous_standby_names: names(), ..sound() };
        found(both, ["standby s1", "Promote a synchronous one"]);
        found(Promises { synchronous_standby_names: names(), ..sound() }, ["no such standby is connected", "Start"]);
        let standbys = vec![standby("s2", Some(true))];
        let (names, mode) = (names(), "remote_write".to_string());
        let written = Promises { standbys, synchronous_standby_names: names, synchronous_commit: mode, ..sound() };
        found(written, ["may not have it on disk", "synchronous_commit = on"]);
        let unseen = Promises { standbys: vec![standby("", None)], sees_all: false, ..sound() };
        found(unseen, ["may be missing", "grant"]);
    }
}
