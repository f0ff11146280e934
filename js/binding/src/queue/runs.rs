//! A call on an engine, which is run as often as it has questions: see [`crate::engine`].

use coord_core::Queue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{CoordQueue, Hint};
use crate::engine::{Client, Question};

#[wasm_bindgen]
impl CoordQueue {
    /// On an engine: begins a call, perhaps about a lease that an earlier one has left a hint of. It is run, and run
    /// again after each answer, until no question is open.
    pub fn begin(&self, hint: Option<Hint>) {
        if let Some(queue) = &*self.queue.borrow() {
            if let Some(Hint(hint)) = hint {
                queue.give_lease_hint(hint);
            }
            if self.medium.client().is_some_and(|client| client.others_have_filled()) {
                queue.look_anew();
            }
        }
        self.before.replace(self.queue.borrow().clone());
    }

    /// The question that is open: what the run has come to counts for nothing.
    pub fn question(&self) -> Option<Question> {
        self.medium.client()?.question()
    }

    /// The rows that answer it, an array of arrays in JSON.
    pub fn answered(&self, rows: &str) {
        self.go_back();
        self.medium.client().into_iter().for_each(|client| client.answered(rows));
    }

    /// The columns of the one row that answers several looks.
    #[wasm_bindgen(js_name = answeredInOne)]
    pub fn answered_in_one(&self, columns: Vec<String>) {
        self.go_back();
        self.medium.client().into_iter().for_each(|client| client.answered_in_one(&columns));
    }

    /// Why it is not answered: a code of SQL, or of the client, if there is one; how severe that is, in a word.
    pub fn failed(&self, code: Option<String>, severity: Option<String>, words: &str) {
        self.go_back();
        let failed = |client: &Client| client.failed(code.as_deref(), severity.as_deref(), words);
        self.medium.client().into_iter().for_each(failed);
    }

    /// Ends the call. What it leaves is a hint for the next one about the lease that it was about.
    pub fn end(&self) -> Option<Hint> {
        self.before.take();
        let queue = self.queue.borrow();
        let has_filled = queue.as_ref().is_some_and(Queue::take_filled);
        self.medium.client().into_iter().for_each(|client| client.end(has_filled));
        queue.as_ref()?.take_lease_hint().map(Hint)
    }
}
