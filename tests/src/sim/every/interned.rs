//! Values of which many states have the same: each is kept once, and compared and hashed by its number.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;

/// A value of an [`Interner`].
#[derive(Debug)]
pub(super) struct Interned<T> {
    number: u32,
    value: Arc<T>,
}

/// All different values that there were, with their numbers.
#[derive(Debug)]
pub(super) struct Interner<T>(RwLock<FxHashMap<Arc<T>, u32>>);

impl<T: Eq + Hash> Interner<T> {
    pub(super) fn intern(&self, value: T) -> Interned<T> {
        let known = |values: &FxHashMap<Arc<T>, u32>| {
            values.get_key_value(&value).map(|(value, number)| Interned { number: *number, value: value.clone() })
        };
        if let Some(interned) = known(&self.0.read().expect("no holder panics")) {
            return interned;
        }
        let mut values = self.0.write().expect("no holder panics");
        known(&values).unwrap_or_else(|| {
            let number = u32::try_from(values.len()).expect("fewer than memory holds");
            let value = Arc::new(value);
            values.insert(value.clone(), number);
            Interned { number, value }
        })
    }
}

impl<T> Interned<T> {
    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner(RwLock::default())
    }
}

impl<T> Clone for Interned<T> {
    fn clone(&self) -> Interned<T> {
        Interned { number: self.number, value: self.value.clone() }
    }
}

impl<T> Deref for Interned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Interned<T> {
    fn eq(&self, other: &Interned<T>) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Interned<T> {}

impl<T> Hash for Interned<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}
