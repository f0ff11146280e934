//! A store operation as a schedule shows it.

use std::fmt;

use coord_core::store::fused::{First, Look, Move, Step};

use super::Call;

/// As a schedule shows it: what is done, to which names.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Create(path, content) => write!(f, "create {path} ({} bytes)", content.len()),
            Call::CreateUnflushed(path, content) => write!(f, "create {path} ({} bytes), unflushed", content.len()),
            Call::Append(path, line, _) => write!(f, "add to {path} ({} bytes)", line.len()),
            Call::Link(from, to) => write!(f, "link {from} to {to}"),
            Call::Rename(from, to) => write!(f, "rename {from} to {to}"),
            Call::Read(path, _) => write!(f, "read {path}"),
            Call::FirstLine(path, _) => write!(f, "read the first line of {path}"),
            Call::Exists(path) => write!(f, "look for {path}"),
            Call::Links(path) => write!(f, "count the links of {path}"),
            Call::List(dir) => write!(f, "list {}/", dir.as_str()),
            Call::Stamp(dir) => write!(f, "look at {}/", dir.as_str()),
            Call::Remove(path) => write!(f, "remove {path}"),
            Call::MakeDir(dir) => write!(f, "make {}/", dir.as_str()),
            Call::RemoveDir(dir) => write!(f, "remove {}/", dir.as_str()),
            Call::Flush(path) => write!(f, "flush {path}"),
            Call::SyncDir(dir) => write!(f, "sync {}/", dir.as_str()),
            Call::Look(looks) => {
                f.write_str("look: ")?;
                let mut looks = looks.iter();
                looks.next().map_or(Ok(()), |look| write_look(f, look))?;
                looks.try_for_each(|look| f.write_str(", ").and_then(|()| write_look(f, look)))
            }
            Call::Step(steps) => steps.iter().try_for_each(|step| write_step(f, step)),
        }
    }
}

fn write_look(f: &mut fmt::Formatter<'_>, look: &Look) -> fmt::Result {
    match look {
        Look::Names(dir) => write!(f, "list {}/", dir.as_str()),
        Look::Line(path) => write!(f, "the first line of {path}"),
        Look::Head(head) => write!(f, "the first {} of {:?}", head.most, head.of),
        Look::OfTask(id) => write!(f, "the entries of {id}"),
        Look::Due(due) => write!(f, "what is due by {}", due.by),
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, Step { first, moves, .. }: &Step) -> fmt::Result {
    f.write_str("step: ")?;
    match first {
        First::Nothing => {}
        First::Create(path, content) => write!(f, "create {path} ({} bytes), ", content.len())?,
        First::Append(line, _) => write!(f, "add {} bytes, ", line.len())?,
    }
    moves.iter().try_for_each(|one| match one {
        Move::Rename(from, to) => write!(f, "rename {from} to {to}; "),
        Move::Link(from, to) => write!(f, "link {from} to {to}; "),
    })
}
