//! Random schedules of four agents on up to six tasks keep every invariant: 10,000 in a directory with everything that
//! agents do, as many in an engine, and some more around what makes a task appear. Smaller schedules run first, so that
//! what can break in one is shown in one. With `MUSE_THOROUGH=1` there are ten times as many; `MUSE_SCHEDULES` is
//! another number.

use std::env;

use coord_tests::report;
use coord_tests::sim::random::{Appearance, Choice, Mix, Play, explore, explore_wake_ups};

/// How many schedules of everything there are, by both choices together.
fn schedules() -> usize {
    let asked = env::var_os("MUSE_SCHEDULES").and_then(|number| number.to_str()?.parse().ok());
    let is_thorough = env::var_os("MUSE_THOROUGH").is_some_and(|value| value == "1");
    asked.unwrap_or(if is_thorough { 100_000 } else { 10_000 })
}

#[test]
fn whoever_is_next_every_promise_is_kept() {
    let play = Play::new(Choice::Uniform, Mix::Everything);
    report(format_args!("random: {}", explore(play, schedules() / 2, 1)));
}

#[test]
fn with_few_switches_at_the_right_moments_every_promise_is_kept() {
    let play = Play::new(Choice::Priorities, Mix::Everything);
    report(format_args!("by priorities: {}", explore(play, schedules() / 2, 2)));
    let play = Play::new(Choice::Priorities, Mix::Relinking);
    report(format_args!("around doctors: {}", explore(play, schedules() / 5, 3)));
}

#[test]
fn in_an_engine_whose_replies_are_lost_every_promise_is_kept() {
    for (choice, seed) in [(Choice::Uniform, 7), (Choice::Priorities, 8)] {
        let play = Play::new(choice, Mix::Everything).whole();
        report(format_args!("in an engine, {choice:?}: {}", explore(play, schedules() / 2, seed)));
        let play = Play::new(choice, Mix::Keys).whole();
        report(format_args!("around keys in an engine, {choice:?}: {}", explore(play, schedules() / 10, seed)));
    }
}

#[test]
fn what_somebody_needs_is_there_though_collections_remove_what_has_ended() {
    for (choice, seed) in [(Choice::Uniform, 9), (Choice::Priorities, 10)] {
        let play = Play::new(choice, Mix::Removing);
        report(format_args!("around collections, {choice:?}: {}", explore(play, schedules() / 10, seed)));
        report(format_args!("the same in an engine: {}", explore(play.whole(), schedules() / 10, seed)));
    }
}

#[test]
fn an_agent_that_waits_is_woken_by_whatever_it_could_not_see() {
    for appearance in [Appearance::Enqueued, Appearance::Released] {
        explore_wake_ups(appearance, schedules() / 20, 4, None);
        report(format_args!("wake-ups by a task that is {appearance:?}: {} schedules", schedules() / 20));
    }
}

#[test]
fn of_the_tasks_with_one_key_one_lives_and_each_of_eight_enqueuers_is_answered() {
    for (choice, seed) in [(Choice::Uniform, 5), (Choice::Priorities, 6)] {
        let schedules = schedules() / 10;
        let play = Play::new(choice, Mix::Keys);
        report(format_args!("around keys, {choice:?}: {}", explore(play, schedules, seed)));
    }
}
