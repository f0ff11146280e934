//! The text of a request to stop.

use coord_core::answer::CancelRequest;

use crate::output::Page;

/// For the holder, before everything else.
pub fn text(request: &CancelRequest, page: &mut Page) {
    if request.cancel_requested {
        page.line("🛑 Cancel requested: stop this work, and release or fail the task");
        details(request, page);
    }
}

/// The agent that asks, and its reason.
pub fn details(request: &CancelRequest, page: &mut Page) {
    if let Some(run_id) = &request.cancel_requested_by {
        page.field("Asked by", run_id);
    }
    if let Some(reason) = &request.cancel_reason {
        page.field("Reason", reason);
    }
}
