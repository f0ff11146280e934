//! The store of muse coord on PostgreSQL, for agents that have no directory in common.
//!
//! A table holds the names, another one what they lead to; `schema.sql` says how. A change is one statement, and a look
//! is several that are sent together, so each takes one trip: see [`coord_core::store::fused`]. Only a change that has
//! to be durable waits for the server's log.
//!
//! An [`Address`] says where the queue is, and holds no secret; [`Passwords`] says which password goes to which host.
//! What goes to another machine is always encrypted, and the machine verified.

mod address;
mod asked;
mod clock;
mod connection;
mod dial;
mod direct;
mod error;
mod fused;
mod head;
mod password;
mod promises;
pub mod script;
mod session;
mod statements;
mod store;
mod tls;
mod waiting;

pub use address::{Address, AddressError};
pub use connection::PostgresStore;
pub use error::OpenError;
pub use password::{AddressFrom, NoPassword, PassedOver, Passwords, SetFor, Variable};
pub use promises::{Holder, HolderKind, Promises, Standby};
pub use tls::TlsError;
