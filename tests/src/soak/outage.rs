//! What happens to a server while agents work. Its connections are cut, and it is stopped and started again. If that is
//! asked for, a standby takes its place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::postgres::Server;

/// How often a connection is cut.
const CUT_EVERY: Duration = Duration::from_millis(500);

/// Any agent's connection.
const CUT: &str = "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity \
                   where application_name = 'muse coord' order by random() limit 1) agent";

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outages {
    /// How often the server was stopped and started again.
    pub(super) restarts: u64,
    /// How often a standby took its place.
    pub(super) promotions: u64,
    /// How many connections were cut.
    pub(super) cuts: u64,
}

/// How often what is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// It is stopped and started again.
    pub(super) restart_every: Duration,
    /// A standby takes its place.
    pub(super) promote_every: Option<Duration>,
}

/// Does it until it is over.
pub(super) fn torment(server: &Server, is_over: &AtomicBool, pace: Pace) -> Outages {
    let mut outages = Outages::default();
    let mut next_restart = Instant::now() + pace.restart_every;
    let mut next_promotion = pace.promote_every.map(|every| Instant::now() + every);
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(CUT_EVERY);
        if next_promotion.is_some_and(|next| next <= Instant::now()) {
            server.promote_a_standby();
            outages.promotions += 1;
            next_promotion = pace.promote_every.map(|every| Instant::now() + every);
        } else if Instant::now() >= next_restart {
            server.restart();
            outages.restarts += 1;
            next_restart = Instant::now() + pace.restart_every;
        } else {
            outages.cuts += server.sql(CUT).parse().unwrap_or(0);
        }
    }
    outages
}
