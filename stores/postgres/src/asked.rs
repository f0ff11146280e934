//! A statement with its values.

use tokio_postgres::types::{ToSql, Type};

use crate::head::Range;
use crate::store::{Target, small};

/// A statement with its values.
pub(crate) struct Asked {
    /// One of [`crate::statements`].
    pub(crate) sql: &'static str,
    values: Vec<(Box<dyn ToSql + Sync>, Type)>,
}

impl Asked {
    pub(crate) fn new(sql: &'static str) -> Asked {
        Asked { sql, values: Vec::new() }
    }

    pub(crate) fn with(mut self, value: impl ToSql + Sync + 'static, of: Type) -> Asked {
        self.values.push((Box::new(value), of));
        self
    }

    pub(crate) fn bool(self, value: bool) -> Asked {
        self.with(value, Type::BOOL)
    }

    pub(crate) fn text(self, value: impl Into<String>) -> Asked {
        self.with(value.into(), Type::TEXT)
    }

    pub(crate) fn int(self, value: usize) -> Asked {
        self.with(small(value), Type::INT4)
    }

    pub(crate) fn long(self, value: i64) -> Asked {
        self.with(value, Type::INT8)
    }

    pub(crate) fn bytes(self, value: Vec<u8>) -> Asked {
        self.with(value, Type::BYTEA)
    }

    pub(crate) fn ranges(self, ranges: Vec<Range>) -> Asked {
        let skipped: Vec<i32> = ranges.iter().map(|range| small(range.skipped)).collect();
        let (first, before): (Vec<String>, Vec<String>) =
            ranges.into_iter().map(|range| (range.first, range.before)).unzip();
        let asked = self.with(first, Type::TEXT_ARRAY).with(before, Type::TEXT_ARRAY);
        asked.with(skipped, Type::INT4_ARRAY)
    }

    pub(crate) fn target(self, Target { path, task, due }: Target) -> Asked {
        self.text(path).with(task, Type::BYTEA).with(due, Type::INT8)
    }

    pub(crate) fn types(&self) -> Vec<Type> {
        self.values.iter().map(|(_, of)| of.clone()).collect()
    }

    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|(value, _)| &**value).collect()
    }

    pub(crate) fn typed_values(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|(value, of)| (&**value, of.clone())).collect()
    }
}
