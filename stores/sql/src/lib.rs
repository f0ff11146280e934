//! The store of muse coord in the SQL of PostgreSQL: which statements each operation asks, and what their answers mean.
//!
//! There is no connection here. A [`Server`] passes statements on by a client of its own: `stores/postgres` has one for
//! programs, and the npm package takes the one that its caller has.
//!
//! A table holds the names, another one what they lead to; `schema.sql` says how. A change is one statement, and a look
//! is several that are asked together: see [`coord_core::store::fused`]. Only a change that has to be durable waits for
//! the server's log.

mod asked;
mod clock;
mod failure;
mod fused;
mod head;
mod row;
mod schema;
pub mod script;
mod server;
pub mod statements;
mod store;
mod value;

pub use asked::Asked;
pub use clock::EngineClock;
pub use failure::{About, Failure, FailureKind};
pub use row::{Cell, FromCell, Row, rows_of};
pub use schema::{Schema, VERSION};
pub use server::{Answer, Server};
pub use store::SqlStore;
pub use value::Value;
