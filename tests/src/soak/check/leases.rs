//! Leases, pair by pair: who was given a task after whom, and whether it was free by then.

use super::{Findings, claims};
use crate::soak::history::{Action, Answer, Lease, Moment, Op, Task};

/// Nobody is given a task whose lease runs, as far as its holder knew, by the queue's word and by the clock.
pub(super) fn are_kept(task: &Task, actions: &[&Action], findings: &mut Findings) {
    let mut leases: Vec<(&Action, &Lease)> =
        claims(actions.iter().copied()).map(|(action, _, _, lease)| (action, lease)).collect();
    leases.sort_by_key(|(_, lease)| lease.generation);
    for pair in leases.windows(2) {
        let [(earlier, lease), (later, next)] = pair else { continue };
        let (Some(told), Some(won)) = (earlier.ended_at(), later.ended_at()) else { continue };
        let expires = kept_until(lease, later.began, actions);
        if won.nanos < earlier.began.nanos {
            let what = format!("{} had it before {}, under a later generation", later.run_id, earlier.run_id);
            findings.report(Some(task), what);
        }
        if may_be_given_back(earlier, won, actions) {
            continue;
        }
        // A lease is dated when its claim began. Others may have had the task in between, if the claimer was stopped.
        let granted = if next.generation == lease.generation + 1 { next.claimed_micros } else { won.wall_micros };
        // A heartbeat that came between the two is not known to be before or after, so only what was told counts.
        if told.nanos < later.began.nanos && (granted < expires || won.wall_micros < expires) {
            let what = format!("{} was given it while the lease of {} ran", later.run_id, earlier.run_id);
            findings.report(Some(task), what);
        }
    }
}

/// Whether the holder by `claim` set out to release the task before `moment`, or somebody was about to put it back
/// after its end, and was not refused.
fn may_be_given_back(claim: &Action, moment: Moment, actions: &[&Action]) -> bool {
    let is_refused = |action: &Action| matches!(action.answer(), Some(Answer::Refused { .. }));
    actions.iter().any(|action| {
        let by_its_holder = matches!(action.op, Op::Release { .. })
            && action.run_id == claim.run_id
            && (claim.began.nanos..moment.nanos).contains(&action.began.nanos);
        // It may have been asked for before the claim, by an agent that was stopped.
        let put_back = matches!(action.op, Op::Retry { .. })
            && action.began.nanos < moment.nanos
            && action.ended_at().is_none_or(|at| at.nanos > claim.began.nanos);
        (by_its_holder || put_back) && !is_refused(action)
    })
}

/// Until when the holder knew the task to be its own, before `moment`.
fn kept_until(lease: &Lease, moment: Moment, actions: &[&Action]) -> u64 {
    let kept = actions.iter().filter(|action| action.ended_at().is_some_and(|at| at.nanos < moment.nanos));
    let expiries = kept.filter_map(|action| match action.answer()? {
        Answer::Kept(kept) if kept.generation == lease.generation => Some(kept.expires_micros),
        _ => None,
    });
    expiries.fold(lease.expires_micros, u64::max)
}
