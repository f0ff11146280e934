//! The fused operations: statements that are sent together, without waiting for one another's answers.

use std::time::Duration;

use coord_core::layout::{Dir, Path, due_at};
use coord_core::limits;
use coord_core::store::fused::{Due, First, Fused, Look, Move, Seen, SeenEntry, Step, Stepped, Stirred, TimedDirs};
use coord_core::store::{StoreError, cut_after_first_line};

use crate::asked::Asked;
use crate::failure::{About, FailureKind};
use crate::head::{Ranges, elsewhere, follows};
use crate::row::Row;
use crate::server::{Answer, Server};
use crate::statements;
use crate::store::{PATHS_READ, SqlStore, Target, column, names_in, path_of, range, two};
use crate::value::Value;

impl<S: Server> Fused for SqlStore<S> {
    fn format(&self) -> Option<Vec<u8>> {
        self.server().format()
    }

    fn look(&self, looks: &[Look]) -> Result<Vec<Seen>, StoreError> {
        let answers = self.server().look(looks.iter().map(asked).collect())?;
        looks.iter().zip(answers).map(|(look, answer)| self.seen(look, answer)).collect()
    }

    fn step(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError> {
        match steps {
            [] => Ok(Vec::new()),
            _ if steps.len() > 1 && steps.iter().all(is_new) => self.make_all(steps),
            _ => self.change(steps),
        }
    }

    fn stirred(&self, dirs: &[Dir], at_most: Duration) -> Result<Stirred, StoreError> {
        self.server().stirred(dirs, at_most)
    }
}

impl<S: Server> SqlStore<S> {
    fn seen(&self, look: &Look, answer: Answer) -> Result<Seen, StoreError> {
        let about = About { operation: "look at", path: &place(look) };
        let rows = answer.map_err(|failure| about.failed(&failure))?;
        match look {
            Look::Names(dir) => {
                let paths: Result<Vec<String>, StoreError> = rows.into_iter().map(|row| column(&about, row)).collect();
                let paths = paths?;
                let is_all = paths.len() <= usize::try_from(PATHS_READ).unwrap_or(0);
                Ok(Seen::Names(if is_all { names_in(dir, &paths) } else { Some(self.children(dir)?) }))
            }
            Look::Line(_) => {
                let row = rows.into_iter().next();
                let mut line: Option<Vec<u8>> = row.map(|row| column(&about, row)).transpose()?;
                line.iter_mut().for_each(cut_after_first_line);
                Ok(Seen::Line(line))
            }
            Look::Head(_) | Look::OfTask(_) | Look::Due(_) => {
                let entries: Result<Vec<SeenEntry>, StoreError> =
                    rows.into_iter().map(|row| entry(&about, row)).collect();
                Ok(Seen::Entries(entries?))
            }
        }
    }

    /// Makes new files that each get a second name.
    fn make_all(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError> {
        let about = About { operation: "create", path: &"tasks" };
        let rows = match self.one(creation(steps))? {
            // A second name is taken: which, each tells by itself.
            Err(failure) if failure.kind == FailureKind::Taken => return self.change(steps),
            rows => rows.map_err(|failure| about.failed(&failure))?,
        };
        let mut outcomes = vec![Stepped::Taken; steps.len()];
        for row in rows {
            let place: i64 = column(&about, row)?;
            let outcome = usize::try_from(place - 1).ok().and_then(|place| outcomes.get_mut(place));
            outcome.into_iter().for_each(|outcome| *outcome = Stepped::Done { by: 0, found: false });
        }
        Ok(outcomes)
    }

    /// Makes changes one after the other, with the questions behind them, in one trip.
    fn change(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError> {
        let mut asked = Vec::new();
        for step in steps {
            asked.push(change_of(step)?);
            asked.extend(step.then.as_ref().map(is_any_in));
        }
        let mut answers = self.server().ask(asked)?.into_iter();
        let mut outcomes = Vec::new();
        for step in steps {
            let about = About { operation: "step", path: &subject(step) };
            let answer = answers.next().unwrap_or_else(|| Ok(Vec::new()));
            let then = step.then.as_ref().and_then(|_| answers.next()).transpose();
            let outcome = match answer {
                Err(failure) if failure.kind == FailureKind::Taken => Stepped::Taken,
                // Of several, others may have been made.
                Err(failure) if steps.len() > 1 => return Err(about.lost(&failure.words)),
                rows => outcome_of(step, &about, rows.map_err(|failure| about.failed(&failure))?)?,
            };
            // The change is made by now.
            let found = then.map_err(|failure| about.lost(&failure.words))?;
            let found = found.and_then(|rows| rows.into_iter().next()).map(|row| column(&about, row)).transpose()?;
            outcomes.push(match outcome {
                Stepped::Done { by, .. } => Stepped::Done { by, found: found.unwrap_or(false) },
                other => other,
            });
        }
        Ok(outcomes)
    }
}

/// The statement that answers a question.
fn asked(look: &Look) -> Asked {
    let much = limits::LINE_BYTES_SEEN + 1;
    match look {
        Look::Names(dir) => {
            let [from, before] = range(dir);
            Asked::new(statements::PATHS).text(from).text(before).long(PATHS_READ + 1)
        }
        Look::Line(path) => Asked::new(statements::LINE).text(path.to_string()).int(limits::RECORD_BYTES),
        Look::Head(head) => {
            let Ranges { above, below } = Ranges::of(head);
            let is_of_all = head.of == TimedDirs::AllQueues;
            let asked = Asked::new(if is_of_all { statements::HEAD_OF_ALL } else { statements::HEAD });
            let asked = asked.ranges(above).ranges(below).long(long(head.most)).int(much);
            if !is_of_all {
                return asked;
            }
            let (first, before) = elsewhere(head);
            let asked = asked.with(Value::Texts(first)).with(Value::Texts(before));
            asked.text(head.after.as_deref().map(follows).unwrap_or_default())
        }
        Look::OfTask(id) => Asked::new(statements::OF_TASK).bytes(id.hex().into_bytes()).int(much),
        Look::Due(Due { by, after, most }) => {
            let cursor = after.as_ref().and_then(|path| Some((due_at(path)?, path.to_string())));
            let (due, path) = cursor.map_or((-1, String::new()), |(due, path)| (micros(due.micros()), path));
            Asked::new(statements::DUE).long(micros(by.micros())).long(due).text(path).long(long(*most)).int(much)
        }
    }
}

fn is_any_in(dir: &Dir) -> Asked {
    let [from, before] = range(dir);
    // Nothing is in a file.
    Asked::new(statements::EXISTS).text(from.clone()).text(from).text(before)
}

/// True for a new file that gets one more name.
fn is_new(step: &Step) -> bool {
    matches!((&step.first, step.moves.as_slice()), (First::Create(..), [Move::Link(..)])) && step.then.is_none()
}

fn creation(steps: &[Step]) -> Asked {
    let (mut paths, mut contents, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    let (mut tasks, mut dues) = (Vec::new(), Vec::new());
    for step in steps {
        if let (First::Create(path, content), [Move::Link(_, to)]) = (&step.first, step.moves.as_slice()) {
            let entry = Target::of(to);
            paths.push(path.to_string());
            contents.push(Some(content.clone()));
            entries.push(entry.path);
            tasks.push(entry.task);
            dues.push(entry.due);
        }
    }
    let asked = Asked::new(statements::CREATE_AND_LINK).bool(steps.iter().any(|step| step.durable));
    let asked = asked.with(Value::Texts(paths)).with(Value::Byteas(contents)).with(Value::Texts(entries));
    asked.with(Value::Byteas(tasks)).with(Value::Int8s(dues))
}

/// The statement that makes a change.
fn change_of(step: &Step) -> Result<Asked, StoreError> {
    let durable = step.durable;
    Ok(match (&step.first, step.moves.as_slice()) {
        (First::Create(..), [Move::Link(..)]) => creation(std::slice::from_ref(step)),
        (First::Create(path, content), [Move::Rename(from, to)]) => {
            let asked = Asked::new(statements::CREATE_AND_RENAME).bool(durable).text(from.to_string());
            asked.target(Target::of(to)).text(path.to_string()).bytes(content.clone())
        }
        (First::Append(line, most), [Move::Rename(from, to)]) => {
            let asked = Asked::new(statements::APPEND_AND_RENAME).bool(durable).text(from.to_string());
            asked.target(Target::of(to)).bytes(line.clone()).int(*most)
        }
        (First::Nothing, [Move::Rename(from, to)]) => {
            Asked::new(statements::RENAME).bool(durable).text(from.to_string()).target(Target::of(to))
        }
        (First::Nothing, moves) if moves.iter().all(|one| matches!(one, Move::Rename(..))) => {
            let targets: Vec<Target> =
                moves.iter().map(|(Move::Rename(_, to) | Move::Link(_, to))| Target::of(to)).collect();
            let sources = moves.iter().map(|(Move::Rename(from, _) | Move::Link(from, _))| from.to_string()).collect();
            let paths = targets.iter().map(|target| target.path.clone()).collect();
            let tasks = targets.iter().map(|target| target.task.clone()).collect();
            let dues = targets.iter().map(|target| target.due).collect();
            let asked = Asked::new(statements::RENAME_ANY).bool(durable).with(Value::Texts(sources));
            asked.with(Value::Texts(paths)).with(Value::Byteas(tasks)).with(Value::Int8s(dues))
        }
        _ => {
            let about = About { operation: "step", path: &subject(step) };
            return Err(about.unreachable("no statement makes such a change"));
        }
    })
}

fn outcome_of(step: &Step, about: &About<'_>, rows: Vec<Row>) -> Result<Stepped, StoreError> {
    let done = |by| Stepped::Done { by, found: false };
    let row = rows.into_iter().next();
    Ok(match (&step.first, step.moves.first()) {
        (First::Create(..), Some(Move::Link(..))) => row.map_or(Stepped::Taken, |_| done(0)),
        (First::Nothing, _) => match row {
            Some(row) => {
                let place: i64 = column(about, row)?;
                done(usize::try_from(place - 1).unwrap_or(0))
            }
            None => Stepped::Gone,
        },
        (first, _) => {
            let (there, moved): (i64, i64) = two(about, row)?;
            match (there, moved, first) {
                (0, _, _) => Stepped::Gone,
                (_, 1.., _) => done(0),
                (_, _, First::Append(..)) => Stepped::Full,
                _ => Stepped::Taken,
            }
        }
    })
}

fn entry(about: &About<'_>, row: Row) -> Result<SeenEntry, StoreError> {
    let (path, mut line): (String, Vec<u8>) = two(about, Some(row))?;
    cut_after_first_line(&mut line);
    Ok(SeenEntry { path: path_of(&path), line: Some(line).filter(|line| line.len() <= limits::LINE_BYTES_SEEN) })
}

/// What a question is about, for an error.
fn place(look: &Look) -> String {
    match look {
        Look::Names(dir) => dir.as_str().to_string(),
        Look::Line(path) => path.to_string(),
        Look::Head(_) => "ready".into(),
        Look::OfTask(id) => id.to_string(),
        Look::Due(_) => "claimed".into(),
    }
}

/// What a change is about, for an error.
fn subject(step: &Step) -> String {
    let path: Option<&Path> = step.moves.first().map(|(Move::Rename(from, _) | Move::Link(from, _))| from);
    path.map(Path::to_string).unwrap_or_default()
}

fn long(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn micros(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}
