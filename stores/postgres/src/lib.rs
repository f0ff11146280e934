//! The store of muse coord on PostgreSQL, for agents that have no directory in common: a connection to a server, and
//! [`coord_sql`], which says what is asked there. What is asked together takes one trip.
//!
//! An [`Address`] says where the queue is, and holds no secret; [`Passwords`] says which password goes to which host.
//! What goes to another machine is always encrypted, and the machine verified.

mod address;
mod clock;
mod connection;
mod dial;
mod direct;
mod error;
mod password;
mod promises;
mod row;
mod session;
mod tls;
mod waiting;

pub use address::{Address, AddressError};
pub use connection::{Postgres, PostgresStore, create, open};
pub use error::OpenError;
pub use password::{AddressFrom, NoPassword, PassedOver, Passwords, SetFor, Variable};
pub use promises::{Holder, HolderKind, Promises, Standby};
pub use tls::TlsError;
