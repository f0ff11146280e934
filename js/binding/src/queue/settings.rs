//! What is set for queues.

use coord_core::request;
use wasm_bindgen::prelude::wasm_bindgen;

use super::CoordQueue;
use crate::engine::Client;
use crate::thrown::Thrown;

#[wasm_bindgen]
impl CoordQueue {
    pub fn pause(&self, queue: &str) -> Result<bool, Thrown> {
        let paused = self.queue()?.pause(&request::queue(queue)?, &self.turn())?;
        self.tell_others();
        Ok(paused)
    }

    #[wasm_bindgen(js_name = resumeQueue)]
    pub fn resume_queue(&self, queue: &str) -> Result<bool, Thrown> {
        let resumed = self.queue()?.resume(&request::queue(queue)?)?;
        self.tell_others();
        Ok(resumed)
    }

    /// Limits how many tasks of a queue are claimed at once; `None`: any number.
    pub fn limit(&self, queue: &str, max_in_flight: Option<u32>) -> Result<(), Thrown> {
        self.queue()?.limit_in_flight(&request::queue(queue)?, max_in_flight, &self.turn())?;
        self.tell_others();
        Ok(())
    }
}

impl CoordQueue {
    /// What is set for queues has changed.
    fn tell_others(&self) {
        self.medium.client().filter(|client| !client.is_void()).into_iter().for_each(Client::tell_others);
    }
}
