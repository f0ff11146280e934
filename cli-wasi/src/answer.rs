//! What the answers of several commands have in common. A part that only one command answers stands in its file.

pub mod batch;
pub mod changed;
pub mod claim_record;
pub mod item;
pub mod late_result;
pub mod queue_settings;
pub mod released;
pub mod task_record;
