//! The text of answers, and parts of JSON answers, that several commands share. A part of one command alone is in that
//! command's file; what the queue answers is in [`coord_core::answer`].

pub mod batch;
pub mod cancel_request;
pub mod changed;
pub mod item;
pub mod late_result;
pub mod queue_settings;
pub mod released;
pub mod task;
