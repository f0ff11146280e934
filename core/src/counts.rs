//! How many tasks have each status.

use crate::status::Status;

/// How many tasks have each status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Status::ALL.len()]);

impl Counts {
    /// How many tasks there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many tasks have this status.
    pub fn of(&self, status: Status) -> u64 {
        self.0.get(status as usize).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, status: Status) {
        if let Some(count) = self.0.get_mut(status as usize) {
            *count += 1;
        }
    }
}
