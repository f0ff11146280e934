//! Parts of JSON answers that several commands share, with their text. A part that only one command answers is in that
//! command's file.

pub mod batch;
pub mod changed;
pub mod claim_record;
pub mod item;
pub mod late_result;
pub mod queue_settings;
pub mod released;
pub mod task_record;
