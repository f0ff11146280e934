//! Waiting for what others do: a waiter says where it waits, and whoever brings a name there tells it.
//!
//! The waiter stands in a table for a few seconds at a time, by the server's clock, so one that dies is told nothing
//! for long. A change that was under way when it came to stand there may not see it: it is found by the next look,
//! after a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use coord_core::layout::Dir;
use coord_core::store::StoreError;
use coord_core::store::fused::Stirred;
use coord_sql::{About, Asked, Server, Value, statements};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connection::Postgres;

/// How long a waiter stands in the table.
const STANDS: Duration = Duration::from_secs(10);
/// It says again that it waits when less than this is left.
const SAYS_AGAIN: Duration = Duration::from_secs(3);
/// So nobody waits for longer without saying so.
const AT_MOST: Duration = Duration::from_secs(2);

/// Hears what the server tells a connection, and keeps one thing of it: whether anything came that is waited for.
#[derive(Default)]
pub(crate) struct Ear {
    prefixes: Mutex<Vec<String>>,
    stirred: Notify,
}

/// Where a connection waits.
pub(crate) struct Waits {
    prefixes: Vec<String>,
    until: Instant,
}

impl Ear {
    /// A name has come into this directory.
    pub(crate) fn hear(&self, dir: &str) {
        let prefixes = self.prefixes.lock().unwrap_or_else(PoisonError::into_inner);
        if prefixes.iter().any(|prefix| format!("{dir}/").starts_with(prefix.as_str())) {
            self.stirred.notify_one();
        }
    }

    pub(crate) fn listen_for(&self, prefixes: &[String]) {
        *self.prefixes.lock().unwrap_or_else(PoisonError::into_inner) = prefixes.to_vec();
    }

    async fn is_stirred(&self) {
        self.stirred.notified().await;
    }
}

impl Waits {
    /// True if nobody is told any more.
    pub(crate) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }
}

impl Postgres {
    /// As [`coord_core::store::fused::Fused::stirred`] says.
    pub(crate) fn wait_for(&self, dirs: &[Dir], at_most: Duration) -> Result<Stirred, StoreError> {
        let about = About { operation: "wait for", path: &"the server" };
        let session = self.connected().map_err(|error| about.unreachable(&error.to_string()))?;
        if dirs.is_empty() || !session.is_direct() {
            return Ok(Stirred::Untold);
        }
        let mut prefixes: Vec<String> = dirs.iter().map(|dir| format!("{}/", dir.as_str())).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let now = Instant::now();
        let known = session.waits(|waits| waits.filter(|waits| waits.prefixes == prefixes).map(|waits| waits.until));
        let is_told = known.is_some_and(|until| until > now);
        if known.is_none_or(|until| until < now + SAYS_AGAIN) {
            session.ear().listen_for(&prefixes);
            let waits = Asked::new(statements::WAIT).with(Value::Texts(prefixes.clone()));
            let waits = waits.with(Value::Float8(STANDS.as_secs_f64()));
            for answer in self.ask(vec![Asked::new(statements::LISTEN), waits])? {
                answer.map_err(|failure| about.failed(&failure))?;
            }
            session.set_waits(Waits { prefixes, until: now + STANDS });
        }
        if is_told {
            // No matter which of the two it was.
            _ = self.runtime.block_on(async { timeout(at_most.min(AT_MOST), session.ear().is_stirred()).await });
        }
        Ok(Stirred::Told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn has_heard(ear: &Ear) -> bool {
        timeout(Duration::from_millis(1), ear.is_stirred()).await.is_ok()
    }

    #[test]
    fn only_what_is_waited_for_is_heard_and_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ear = Ear::default();
            ear.hear("ready/q");
            assert!(!has_heard(&ear).await);
            ear.listen_for(&["ready/q/".to_string(), "done/ab/".to_string()]);
            for other in ["ready", "ready/qq", "ready/q2/0", "done/abc", "claimed/a"] {
                ear.hear(other);
                assert!(!has_heard(&ear).await, "{other}");
            }
            for dir in ["ready/q", "ready/q/0/1", "done/ab"] {
                ear.hear(dir);
                ear.hear(dir);
                assert!(has_heard(&ear).await, "{dir}");
                assert!(!has_heard(&ear).await, "{dir}");
            }
        });
    }
}
