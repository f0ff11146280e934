//! The content of `quarantine/`.

use alloc::collections::{BTreeMap, BTreeSet};

use super::Tree;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::name::Nonce;
use crate::store::Store;

/// The content of `quarantine/`.
#[derive(Default)]
pub(crate) struct Quarantine {
    pub(crate) files: usize,
    /// The tasks of which an entry is there, and of several that of the highest version.
    pub(crate) tasks: BTreeMap<TaskId, Entry>,
    /// The reports that such entries point at.
    pub(crate) reports: BTreeSet<(TaskId, Nonce)>,
}

impl<S: Store> Tree<S> {
    /// Reads `quarantine/`: what agents put there, and in directories what doctors did.
    pub(crate) fn scan_quarantine(&self) -> Result<Quarantine, Error> {
        let mut quarantine = Quarantine::default();
        for name in self.names_in(&layout::quarantine_dir())? {
            let repair = name.parse::<Nonce>().ok();
            let names = repair.map(|repair| self.unless_in_the_way(self.store().list(&layout::quarantine_by(repair))));
            match names.transpose()?.flatten() {
                Some(names) => names.unwrap_or_default().iter().for_each(|name| quarantine.add(name)),
                None => quarantine.add(&name),
            }
        }
        Ok(quarantine)
    }
}

impl Quarantine {
    pub(super) fn add(&mut self, name: &str) {
        self.files += 1;
        let Some(entry) = Entry::parse(name) else { return };
        self.reports.extend(entry.report.map(|nonce| (entry.id, nonce)));
        let known = self.tasks.entry(entry.id).or_insert_with(|| entry.clone());
        if known.version < entry.version {
            *known = entry;
        }
    }
}
