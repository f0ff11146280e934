//! The store of muse coord on PostgreSQL, for agents that have no directory in common.
//!
//! A table holds the names, another one what they lead to; `schema.sql` says how. A change is one statement, and a look
//! is several that are sent together, so each takes one trip: see [`coord_core::store::fused`]. Only a change that has
//! to be durable waits for the server's log.

mod connection;
mod fused;
mod statements;
mod store;

pub use connection::{OpenError, PostgresStore};
