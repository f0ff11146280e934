//! The text of late results.

use coord_core::JsonObject;
use coord_core::answer::Report;
use muse_terminal::sanitised;

use crate::output::{Page, start_of};

/// Prints each late result, with the agent that reported it.
pub fn late_results_text(late_results: &[Report], page: &mut Page) {
    for Report { run_id, at, result, .. } in late_results {
        let run_id = run_id.as_deref().unwrap_or_default();
        let result = result.as_ref().map_or("{}", JsonObject::text);
        page.line(format_args!("  Too late:   {at} {}: {}", sanitised(run_id), sanitised(&start_of(result, 120))));
    }
}
