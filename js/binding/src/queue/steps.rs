//! What goes on over several calls: JavaScript takes step after step, and does other things in between.

use std::time::Duration;

use coord_core::answer::{Change, Claimed, Enqueued, Waited};
use coord_core::layout::Dir;
use coord_core::queue::{Claim, EndStep, Finding, Notice, Step};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{CoordQueue, Ending, Enqueuing, Waiting, Watching, told};
use crate::answer::Answered;
use crate::thrown::Thrown;

#[wasm_bindgen]
impl Enqueuing {
    /// Enqueues the next ones; `undefined`: that was all.
    pub fn step(&mut self, queue: &CoordQueue) -> Result<Option<String>, Thrown> {
        let turn = queue.turn();
        let step = queue.step(&mut self.batch, |queue, batch| batch.step(queue, &turn));
        let Some(enqueued) = step? else { return Ok(None) };
        let answer: Vec<_> = enqueued.into_iter().map(Enqueued::from).collect();
        let warnings = if queue.is_void() { Vec::new() } else { std::mem::take(&mut self.warnings) };
        told(Answered { answer, warnings }).map(Some)
    }
}

#[wasm_bindgen]
impl Waiting {
    /// Whether whoever takes the steps is told of every change in the directories, and so looks less often.
    #[wasm_bindgen(js_name = toldOfChanges)]
    pub fn told_of_changes(&mut self, every: bool) {
        self.claim.notice(if every { Notice::Every } else { Notice::None });
    }

    /// Looks for a task, `elapsed` milliseconds after the claim began: the answer, unless the claim goes on.
    pub fn step(&mut self, queue: &CoordQueue, elapsed: f64) -> Result<Option<String>, Thrown> {
        let turn = queue.turn();
        match queue.step(&mut self.claim, |queue, claim| claim.step(queue, from_millis(elapsed), &turn))? {
            Step::Sleep(time) => {
                self.pause = millis(time);
                Ok(None)
            }
            Step::Done(claim) => {
                let Claim { claimed, closed, findings } = *claim;
                let mut answered = Answered::with(claimed.map(Claimed::from), &findings);
                answered.warnings.extend(queue.not_yet_told(closed.reasons()));
                told(answered).map(Some)
            }
        }
    }

    /// The directories in which a task that comes would be noticed, if they are others than they were the last time.
    #[wasm_bindgen(js_name = newlyWatched)]
    pub fn newly_watched(&mut self) -> Option<Vec<String>> {
        let watched: Vec<Dir> = self.claim.watched().collect();
        if watched == self.watched {
            return None;
        }
        self.watched = watched;
        Some(self.watched.iter().map(|dir| dir.as_str().to_string()).collect())
    }
}

#[wasm_bindgen]
impl Ending {
    /// The directories in which the end of a task is noticed, one for each task.
    pub fn watched(&self) -> Vec<String> {
        self.watched.iter().map(|dir| dir.as_str().to_string()).collect()
    }

    /// Looks which tasks have ended, `elapsed` milliseconds after the wait began. A number: so many milliseconds
    /// until the next look. A text: the answer.
    pub fn step(&mut self, queue: &CoordQueue, elapsed: f64) -> Result<JsValue, Thrown> {
        let turn = queue.turn();
        match queue.step(&mut self.wait, |queue, wait| wait.step(queue, from_millis(elapsed), &turn))? {
            EndStep::Sleep(time) => Ok(JsValue::from_f64(millis(time))),
            EndStep::Done(mut waited) => {
                let findings = std::mem::take(&mut waited.findings);
                told(Answered::with(Waited::from(*waited), &findings)).map(JsValue::from)
            }
        }
    }
}

#[wasm_bindgen]
impl Watching {
    /// What has changed since the last step; at the first one, all tasks.
    pub fn step(&mut self, queue: &CoordQueue) -> Result<String, Thrown> {
        let now = queue.now();
        let (changes, findings): (_, Vec<Finding>) = queue.step(&mut self.0, |queue, watch| watch.step(queue, now))?;
        let changes: Vec<_> = changes.into_iter().map(Change::from).collect();
        told(Answered::with(changes, &findings))
    }
}

fn from_millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
