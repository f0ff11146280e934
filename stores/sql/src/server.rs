//! What passes statements on.

use std::time::Duration;

use coord_core::layout::Dir;
use coord_core::store::StoreError;
use coord_core::store::fused::Stirred;

use crate::asked::Asked;
use crate::failure::Failure;
use crate::row::Row;

/// What a statement was answered: its rows, or why there are none.
pub type Answer = Result<Vec<Row>, Failure>;

/// A server, by whatever client: it is given statements, and answers them.
pub trait Server {
    /// What `format.json` held when the queue was opened; `None`: the queue is new.
    fn format(&self) -> Option<Vec<u8>>;

    /// Asks statements, in order and if possible in one trip. Each is a transaction of its own, and sees what those
    /// before have done. None is ever sent twice.
    ///
    /// An `Err` means that the server cannot be asked, or that nothing is known of any of them.
    fn ask(&self, asked: Vec<Asked>) -> Result<Vec<Answer>, StoreError>;

    /// As [`Server::ask`], of statements that change nothing: they may be asked as one.
    fn look(&self, asked: Vec<Asked>) -> Result<Vec<Answer>, StoreError> {
        self.ask(asked)
    }

    /// Waits, as [`Fused::stirred`](coord_core::store::fused::Fused::stirred) does.
    fn stirred(&self, _dirs: &[Dir], _at_most: Duration) -> Result<Stirred, StoreError> {
        Ok(Stirred::Untold)
    }
}
