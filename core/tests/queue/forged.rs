//! What no queue makes is refused where it would enter, and is seen by a doctor where somebody has put it; what an
//! import cannot prove is marked.

use coord_core::entry::{Ending, Entry, Lease, State};
use coord_core::layout::{self, Dir};
use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{
    BadLine, ClaimRequest, Disagreement, Failing, Finding, ImportError, Imported, Problem, Progress, Renewing, Repair,
    Status,
};
use coord_core::store::Created;
use coord_core::transition::Claimant;
use coord_core::{Error, JsonObject, Store, TaskId, Timestamp, limits};
use serde_json::{Value, json};

use crate::world::{self, World, attempts, holder};

fn line_of(world: &World, id: TaskId) -> Value {
    let mut lines: Vec<Value> = Vec::new();
    let findings = world.queue.export::<Error>(&world.turn(), |line| {
        lines.push(serde_json::from_str(&line).unwrap());
        Ok(())
    });
    assert_eq!(findings.unwrap(), []);
    lines.into_iter().find(|line| line["task_id"] == id.to_string()).unwrap()
}

fn entry_of(line: &Value) -> Entry {
    Entry::parse(line["entry"].as_str().unwrap()).unwrap()
}

fn import(line: &Value) -> (World, Result<Imported, ImportError>) {
    let world = World::new();
    world.pass(100);
    world.nonces.set(1 << 30);
    let imported = world.queue.import(&line.to_string(), &world.turn());
    (world, imported)
}

#[track_caller]
fn is_refused(line: &Value, wanted: &Disagreement) {
    let (world, imported) = import(line);
    assert_eq!(imported, Err(ImportError::Line(BadLine::Disagrees(wanted.clone()))));
    assert!(world.queue.tasks(&coord_core::queue::Filter::default(), world.now()).unwrap().items.is_empty());
}

/// Gives a task the name of another state by hand, at the place where such a one stands. A doctor tells, and a repair
/// lets the others go on.
#[track_caller]
fn is_seen_when_planted(world: &World, old: &Entry, forged: &Entry, wanted: &Disagreement, becomes: Repair) {
    let [from, to] = [old, forged].map(|entry| layout::home(entry, &QueueName::default_queue()).file(entry.name()));
    make_dirs(world, &to.dir);
    world.queue.store().rename(&from, &to).unwrap();
    let found = |diagnosis: coord_core::queue::Diagnosis| -> Vec<_> {
        diagnosis.defects.into_iter().map(|defect| (defect.problem, defect.became)).collect()
    };
    let examined = found(world.queue.examine(world.now()).unwrap());
    assert_eq!(examined, [(Problem::Disagrees(wanted.clone()), Repair::Left)]);
    let repaired = world.queue.repair(&world.turn()).unwrap();
    assert_eq!(found(repaired), [(Problem::Disagrees(wanted.clone()), becomes)]);
    let left = found(world.queue.examine(world.now()).unwrap());
    assert!(left.iter().all(|(problem, _)| *problem == Problem::NoEntry), "{left:?}");
}

fn make_dirs(world: &World, dir: &Dir) {
    if let Some((parent, _)) = dir.split() {
        make_dirs(world, &parent);
        world.queue.store().make_dir(dir).unwrap();
    }
}

fn plant(world: &World, path: &layout::Path, content: &str) {
    world.queue.store().remove(path).unwrap();
    make_dirs(world, &path.dir);
    assert_eq!(world.queue.store().create(path, content.as_bytes()).unwrap(), Created::Now);
}

fn long_named(name: &str) -> RunId {
    format!("{name}, whose run id is too long for the name of a task, so that its text stands elsewhere")
        .parse()
        .unwrap()
}

fn claim_as(world: &World, run_id: &RunId) -> TaskId {
    world.claim_as(&ClaimRequest::any(run_id.clone(), 10)).unwrap().task.id
}

#[test]
fn nobody_is_shown_under_another_run_id_than_its_own() {
    let world = World::new();
    let id = world.enqueue("t");
    let alice = long_named("alice");
    assert_eq!(claim_as(&world, &alice), id);
    let claimant = Claimant { run_id: alice.clone(), nonce: None };
    world.queue.complete(id, claimant, None, &world.turn()).unwrap();
    let mut line = line_of(&world, id);
    assert_eq!(line["run_id"], alice.as_str());
    line["run_id"] = "MALLORY".into();
    is_refused(&line, &Disagreement::RunId);

    let lease = entry_of(&line).lease().unwrap().clone();
    let text = layout::run(&lease.holder);
    plant(&world, &text, "\"MALLORY\"");
    let claimer = || world.item(id).claimer_run_id.unwrap();
    assert_eq!(claimer(), lease.holder.as_str());
    let defects = world.queue.examine(world.now()).unwrap().defects;
    assert_eq!(
        defects.iter().map(|defect| &defect.problem).collect::<Vec<_>>(),
        [&Problem::Disagrees(Disagreement::RunId)]
    );
    // The agent itself puts it right when it claims again.
    let again = world.enqueue("again");
    assert_eq!(claim_as(&world, &alice), again);
    assert_eq!((claimer(), world.item(again).claimer_run_id.unwrap()), (alice.to_string(), alice.to_string()));
    plant(&world, &text, "\"MALLORY\"");
    let repaired = world.queue.repair(&world.turn()).unwrap();
    assert_eq!(repaired.defects.iter().map(|defect| defect.became).collect::<Vec<_>>(), [Repair::Quarantined]);
    assert!(world.queue.examine(world.now()).unwrap().is_healthy());
}

#[test]
fn a_task_whose_counters_are_at_their_ends_is_refused() {
    let world = World::new();
    let id = world.enqueue("t");
    let mut line = line_of(&world, id);
    let old = entry_of(&line);
    let wanted = |version, generation| Disagreement::TooManyTransitions { version, generation };
    let most = limits::VERSION;
    for (version, generation) in [(most, 0), (limits::VERSION_CREDIBLE + 1, 0), (most / 4, limits::GENERATION)] {
        line["entry"] = Entry { version, generation, ..old.clone() }.to_string().into();
        is_refused(&line, &wanted(version, generation));
    }
    let forged = Entry { version: most, ..old.clone() };
    is_seen_when_planted(&world, &old, &forged, &wanted(most, 0), Repair::Quarantined);
    for (version, generation, attempt) in [(1, 1, 0), (2, 1, 2)] {
        line["entry"] = Entry { version, generation, attempt, ..old.clone() }.to_string().into();
        is_refused(&line, &Disagreement::Counters { version, generation, attempt });
    }
}

#[test]
fn a_task_that_nobody_would_find_is_refused() {
    let world = World::new();
    let (id, other) = (world.enqueue("t"), world.enqueue("other"));
    let mut line = line_of(&world, id);
    let old = entry_of(&line);
    let on = other;
    let due = Timestamp::from_micros(world.now.get() + 90 * world::SECOND);
    for (state, wanted) in
        [(State::Blocked { on }, Disagreement::Parent { on }), (State::Scheduled { due }, Disagreement::Due { due })]
    {
        let forged = Entry { state, version: 2, ..old.clone() };
        line["entry"] = forged.to_string().into();
        is_refused(&line, &wanted);
        let world = World::new();
        assert_eq!((world.enqueue("t"), world.enqueue("other")), (id, other));
        is_seen_when_planted(&world, &old, &forged, &wanted, Repair::Quarantined);
        world.claims(other);
    }
}

#[test]
fn an_end_that_cannot_be_is_refused_and_one_that_can_be_is_marked() {
    let world = World::new();
    let id = world.enqueue_with("t", attempts(2, 5)).unwrap();
    world.claims(id);
    world.fail(id, "broke");
    world.pass(6);
    world.claims(id);
    let result = JsonObject::parse(r#"{"pr":42}"#).ok();
    world.queue.complete(id, holder(), result, &world.turn()).unwrap();
    let line = line_of(&world, id);

    // It is as it may have been, and nothing proves that it was so.
    let (copy, imported) = import(&line);
    assert_eq!(imported, Ok(Imported::Now(id)));
    let shown = copy.queue.show(id, copy.now()).unwrap();
    let imported_at = shown.imported.unwrap().at;
    assert!(imported_at <= copy.now() && imported_at.micros() >= copy.now.get() - world::SECOND);
    assert_eq!((shown.history.len(), shown.imported_reports), (2, 2));
    assert!(world.queue.show(id, world.now()).unwrap().imported.is_none(), "it was here all the time");
    copy.assert_healthy();

    // Somebody else is said to have done it.
    let old = entry_of(&line);
    let State::Ended(ending) = &old.state else { panic!("{old}") };
    let boss: RunId = "boss".parse().unwrap();
    let by_boss = Some(Lease { holder: old.holder(&boss), ..ending.lease.clone().unwrap() });
    let forged = Entry { state: State::Ended(Ending { lease: by_boss, ..ending.clone() }), ..old.clone() };
    let mut line_by_boss = line.clone();
    line_by_boss["entry"] = forged.to_string().into();
    is_refused(&line_by_boss, &Disagreement::CompletedBy { reported: "agent".into() });

    // It is said to have ended in 2112.
    let at = Timestamp::from_micros(limits::TIME_MICROS);
    let forged = Entry { state: State::Ended(Ending { ended_at: at, ..ending.clone() }), ..old.clone() };
    let mut line_of_2112 = line.clone();
    line_of_2112["entry"] = forged.to_string().into();
    is_refused(&line_of_2112, &Disagreement::Ahead { at });
    is_seen_when_planted(&world, &old, &forged, &Disagreement::Ahead { at }, Repair::Mended);
    assert!(world.item(id).ended_at.unwrap() <= world.now());

    // A report is of 2112, or of a later holder, or of an end that is none.
    for (field, value, wanted) in [
        ("at", json!(at.to_string()), Disagreement::Ahead { at }),
        ("generation", json!(7), Disagreement::Report { generation: 7 }),
    ] {
        let mut line = line.clone();
        for report in line["reports"].as_array_mut().unwrap() {
            report["content"][field] = value.clone();
        }
        is_refused(&line, &wanted);
    }
    let mut line = line.clone();
    let failed = State::Ended(Ending { outcome: coord_core::entry::Outcome::Failed, ..ending.clone() });
    line["entry"] = Entry { state: failed, ..old }.to_string().into();
    is_refused(&line, &Disagreement::Completed);
}

#[test]
fn only_what_cannot_be_proven_is_marked_as_imported() {
    let world = World::new();
    let [waiting, cancelled, held] = ["waiting", "cancelled", "held"].map(|title| world.enqueue(title));
    let cancelling =
        coord_core::queue::Cancelling::new("boss".parse().unwrap(), coord_core::transition::IfHeld::Refuse);
    world.queue.cancel(cancelled, cancelling, &world.turn()).unwrap();
    world.queue.complete(waiting, holder(), None, &world.turn()).unwrap_err();
    world.pass(1);
    let request = ClaimRequest::any("agent".parse().unwrap(), 10);
    let first = world.claim_as(&request).unwrap().task.id;
    let (waiting, held) = if first == waiting { (held, waiting) } else { (waiting, held) };
    for (id, is_marked) in [(waiting, false), (cancelled, true), (held, true)] {
        let (copy, imported) = import(&line_of(&world, id));
        assert_eq!(imported, Ok(Imported::Now(id)));
        assert_eq!(copy.queue.show(id, copy.now()).unwrap().imported.is_some(), is_marked);
        copy.assert_healthy();
    }
    assert_eq!(world.status(held), Status::Claimed);
}

#[test]
fn what_is_reported_after_an_import_is_not_taken_for_imported() {
    let world = World::new();
    let id = world.enqueue_with("t", attempts(5, 5)).unwrap();
    world.claims(id);
    world.fail(id, "there");
    let (copy, imported) = import(&line_of(&world, id));
    assert_eq!(imported, Ok(Imported::Now(id)));
    copy.claims(id);
    copy.fail(id, "here");
    let shown = copy.queue.show(id, copy.now()).unwrap();
    assert_eq!((shown.history.len(), shown.imported_reports), (2, 1));
    // And is brought on with the rest, marked once more.
    let mut line = line_of(&copy, id);
    assert_eq!(line["reports"].as_array().unwrap().len(), 2);
    line["reports"][0]["content"]["error"] = "altered".into();
    let (third, _) = import(&line);
    assert_eq!(third.queue.show(id, third.now()).unwrap().imported_reports, 2);
}

#[test]
fn a_line_tells_each_report_once_and_no_more_than_a_file_takes() {
    let world = World::new();
    let id = world.enqueue_with("t", attempts(2, 0)).unwrap();
    world.claims(id);
    world.fail(id, "there");
    let line = line_of(&world, id);
    let told = line["reports"][0].clone();
    let with = |reports: Vec<Value>| {
        let mut line = line.clone();
        line["reports"].as_array_mut().unwrap().extend(reports);
        import(&line).1
    };
    let reason = format!("two reports of version {} and nonce {}", told["version"], told["nonce"].as_str().unwrap());
    assert_eq!(with(vec![told.clone()]), Err(ImportError::Line(BadLine::Malformed { reason })));

    let of_nobody = |version: u32| {
        let mut report = told.clone();
        report["version"] = version.into();
        report["content"]["error"] = "e".repeat(limits::ERROR_CHARS).into();
        report
    };
    assert_eq!(with((10..910).map(of_nobody).collect()), Ok(Imported::Now(id)));
    let result = with((10..1_010).map(of_nobody).collect());
    let Err(ImportError::Line(BadLine::TooLong { what, max, .. })) = result else { panic!("{result:?}") };
    assert_eq!((what, max), ("all that it tells of the task", limits::FILE_BYTES));
}

#[test]
fn a_line_is_no_longer_than_an_export_writes_one() {
    let world = World::new();
    let result = world.queue.import(&" ".repeat(limits::LINE_BYTES + 1), &world.turn());
    let (bytes, max) = (limits::LINE_BYTES + 1, limits::LINE_BYTES);
    assert_eq!(result, Err(ImportError::Line(BadLine::TooLong { what: "the line", bytes, max })));

    // Of a task with more reports than there is room for the newest are told, and their chain is whole. A file takes
    // only so much, but what was told of progress is not in it.
    let id = world.enqueue_with("t", attempts(1_000, 0)).unwrap();
    let long = |chars| "\u{7}".repeat(chars);
    let fail = |error: &str, is_final| {
        let error = error.parse().unwrap();
        world.queue.fail(id, holder(), Failing { error, is_final }, &world.turn())
    };
    for attempt in 0..200 {
        world.pass(1);
        world.claims(id);
        let progress = Progress { progress: None, note: long(limits::NOTE_CHARS).parse().ok() };
        world
            .queue
            .heartbeat(id, holder(), Renewing { progress: Some(progress), ..Renewing::default() }, &world.turn())
            .unwrap();
        fail(&long(if attempt < 110 { limits::ERROR_CHARS } else { 1 }), false).unwrap();
    }
    let mut lines = Vec::new();
    let findings = world.queue.export::<Error>(&world.turn(), |line| {
        lines.push(line);
        Ok(())
    });
    let [Finding::HistoryCut { reports, .. }] = findings.unwrap()[..] else { panic!("nothing was cut") };
    assert!(lines[0].len() <= limits::EXPORT_BYTES, "{}", lines[0].len());
    let copy = World::new();
    copy.pass(1_000);
    assert_eq!(copy.queue.import(&lines[0], &copy.turn()), Ok(Imported::Now(id)));
    assert_eq!(copy.queue.show(id, copy.now()).unwrap().history.len(), 400 - reports);
    copy.assert_healthy();

    // There is always room for the report that ends the task.
    let full = (0..30).find_map(|_| {
        world.pass(1);
        world.claims(id);
        fail(&long(limits::ERROR_CHARS), false).err()
    });
    assert_eq!(full, Some(Error::TooMuchReported { id }));
    fail(&long(limits::ERROR_CHARS), true).unwrap();
    assert_eq!(world.queue.show(id, world.now()).unwrap().item.error.unwrap().as_str(), long(limits::ERROR_CHARS));
}

#[test]
fn of_results_that_came_too_late_a_few_are_kept_and_the_newest_of_them_answered() {
    let world = World::new();
    let id = world.enqueue("slow");
    let name = |agent: u32| -> RunId { format!("agent-{agent}").parse().unwrap() };
    let claim = |agent| world.claim_as(&ClaimRequest::any(name(agent), 10)).unwrap();
    let mut nonces: Vec<Nonce> = Vec::new();
    for agent in 0..20 {
        nonces.push(claim(agent).record.claim_nonce);
        world.pass(11);
    }
    claim(99);
    for agent in [0].into_iter().chain(0..20) {
        let claimant = Claimant { run_id: name(agent), nonce: Some(nonces[agent as usize]) };
        let result = JsonObject::parse(&format!("{{\"n\":{agent}}}")).ok();
        world.queue.complete(id, claimant, result, &world.turn()).unwrap_err();
    }
    let left_out = world.queue.take_findings().iter().map(Finding::to_string).collect::<Vec<_>>();
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    assert!(left_out[0].contains("it has no room for more late results"), "{left_out:?}");
    world.pass(11);
    let kept = claim(100).late_results;
    let texts: Vec<&str> = kept.iter().map(|report| report.result.as_ref().unwrap().text()).collect();
    assert_eq!(texts, [r#"{"n":12}"#, r#"{"n":13}"#, r#"{"n":14}"#, r#"{"n":15}"#]);
    assert_eq!(texts.len(), limits::LATE_RESULTS);
    let file = world.queue.store().read(&layout::record(id), limits::FILE_BYTES).unwrap().unwrap();
    assert_eq!(String::from_utf8(file).unwrap().matches("\"version\":0").count(), limits::LATE_RESULTS_KEPT);
    world.assert_healthy();
}
