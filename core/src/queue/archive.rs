//! Tasks and settings as lines of JSON: to keep them elsewhere, and to bring them back, tasks under their ids and with
//! all that was reported.

mod export;
mod import;
mod line;

pub use import::{ImportError, Imported};
pub use line::BadLine;
