//! How the library is cut off, so that a call of the agent that is still in it can change nothing any more.
//!
//! Guaranteed: once the leash is cut, every call of the library to the system fails before it is made. So nothing is
//! renamed any more by a call that began before, except by one that is with the system at that very moment, or whose
//! answer an engine has lost; whether there is one is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::{CallHook, Store};

use crate::coord::Overseer;

/// What holds an instance of the library.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leash(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cut: AtomicBool,
    in_system: AtomicBool,
    has_lost: AtomicBool,
}

impl Leash {
    /// Holds an instance from now on.
    pub(crate) fn hold<T: 'static>(&self, store: &mut Store<T>) {
        let leash = self.clone();
        store.call_hook(move |_, hook| leash.pass(hook));
    }

    /// Cuts off every instance that it holds, for good.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
    }

    /// Tells whether an engine did not say what came of a change: it may be made later.
    pub(crate) fn has_lost(&self) -> bool {
        self.0.has_lost.load(Ordering::SeqCst)
    }

    /// Tells whether a call is with the system. One that is there after the cut was there before.
    pub(crate) fn is_in_system(&self) -> bool {
        self.0.in_system.load(Ordering::SeqCst)
    }

    /// Says first that the system is called and looks then, so that whoever cuts and looks then misses no call.
    fn pass(&self, hook: CallHook) -> wasmtime::Result<()> {
        match hook {
            CallHook::CallingHost => {
                self.0.in_system.store(true, Ordering::SeqCst);
                if self.0.cut.load(Ordering::SeqCst) {
                    self.0.in_system.store(false, Ordering::SeqCst);
                    return Err(wasmtime::Error::msg("the agent is being stopped"));
                }
            }
            CallHook::ReturningFromHost => self.0.in_system.store(false, Ordering::SeqCst),
            CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
        }
        Ok(())
    }
}

impl Overseer for Leash {
    fn is_wanted(&self) -> bool {
        !self.0.cut.load(Ordering::SeqCst)
    }

    fn learn_of_a_loss(&self) {
        self.0.has_lost.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_it_is_cut_no_call_reaches_the_system() {
        let leash = Leash::default();
        leash.pass(CallHook::CallingHost).unwrap();
        assert!(leash.is_in_system());
        leash.cut();
        // The call that was there is seen until it returns.
        assert!(leash.is_in_system());
        leash.pass(CallHook::ReturningFromHost).unwrap();
        assert!(!leash.is_in_system());
        assert!(leash.pass(CallHook::CallingHost).is_err());
        assert!(!leash.is_in_system());
    }
}
