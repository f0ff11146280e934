//! How much of this machine's memory an agent can use.
//!
//! Guaranteed: all its memories and tables together stay within the budget, over all components and modules that it is
//! composed of. What asks for more is told no, as WebAssembly has it, and can go on with what it has. What the host
//! keeps for it (handles, the values of a call) is bounded by the constants here. A stack is wasmtime's to bound, at
//! 512 KiB.

use bytesize::ByteSize;
use wasmtime::{ResourceLimiter, Store};

/// How many bytes of values may go through one call. Everything of the queue is smaller by far, but for a title, which
/// may be of any length and is cut, and for a batch, which can be given in several parts: more stops the agent, which
/// pays for it with its own memory anyway.
const CALL_BYTES: usize = 16 << 20;

/// How many handles may be open at once: to leases, streams and what is waited for.
pub(crate) const HANDLES: usize = 10_000;

/// How many of each the parts of an agent may have. One that is composed of a few has a few of each, and each costs the
/// host something that is not counted as the agent's memory.
const PARTS: usize = 1_000;

/// What an element of a table costs, at most.
const TABLE_ELEMENT_BYTES: u64 = 16;

/// What an agent may have, and has.
#[derive(Debug)]
pub(crate) struct Bounds {
    limit: u64,
    used: u64,
    /// What was granted last, which is given back if it turns out that the machine hasn't got it.
    last: u64,
    refused: bool,
}

impl Bounds {
    pub(crate) fn new(limit: ByteSize) -> Bounds {
        Bounds { limit: limit.as_u64(), used: 0, last: 0, refused: false }
    }

    /// Whether anything was refused.
    pub(crate) fn have_refused(&self) -> bool {
        self.refused
    }

    fn grow(&mut self, units: usize, unit_bytes: u64) -> bool {
        let wanted = (units as u64).saturating_mul(unit_bytes);
        let granted = wanted <= self.limit - self.used;
        self.refused |= !granted;
        self.last = if granted { wanted } else { 0 };
        self.used += self.last;
        granted
    }

    fn give_back(&mut self) {
        self.used = self.used.saturating_sub(self.last);
        self.last = 0;
    }
}

/// Sets what isn't asked for piece by piece.
pub(crate) fn set<T>(store: &mut Store<T>) {
    store.set_hostcall_fuel(CALL_BYTES);
    store.set_max_component_handles(HANDLES);
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current), 1))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current), TABLE_ELEMENT_BYTES))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut bounds = Bounds::new(ByteSize::kib(128));
        assert!(bounds.memory_growing(0, 65_536, None).unwrap());
        assert!(bounds.table_growing(0, 4_096, None).unwrap());
        assert!(!bounds.have_refused());
        assert!(!bounds.memory_growing(65_536, 131_072, None).unwrap());
        assert!(!bounds.table_growing(4_096, 4_097, None).unwrap());
        assert!(bounds.have_refused());
    }

    #[test]
    fn what_was_granted_in_vain_is_given_back_once() {
        let mut bounds = Bounds::new(ByteSize::kib(128));
        assert!(bounds.memory_growing(0, 131_072, None).unwrap());
        bounds.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert!(bounds.memory_growing(0, 65_536, None).unwrap());
        assert!(bounds.memory_growing(0, 65_536, None).unwrap());
        assert!(!bounds.memory_growing(0, 65_536, None).unwrap());
    }
}
