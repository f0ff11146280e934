//! A store operation as a value, and a store whose every operation one function answers.

mod display;

use std::rc::Rc;
use std::sync::Arc;

use coord_core::Store;
use coord_core::layout::{self, Dir, Path};
use coord_core::limits;
use coord_core::store::fused::{Fused, Look, Seen, Step, Stepped};
use coord_core::store::mem::Tree;
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError, StoreErrorKind,
    cut_after_first_line,
};

/// A store operation that an agent is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Store::create`].
    Create(Path, Arc<[u8]>),
    /// [`Store::create_unflushed`].
    CreateUnflushed(Path, Arc<[u8]>),
    /// [`Store::append`].
    Append(Path, Arc<[u8]>, usize),
    /// [`Store::link`].
    Link(Path, Path),
    /// [`Store::rename`].
    Rename(Path, Path),
    /// [`Store::read`].
    Read(Path, usize),
    /// [`Store::first_line`].
    FirstLine(Path, usize),
    /// [`Store::exists`].
    Exists(Path),
    /// [`Store::links`].
    Links(Path),
    /// [`Store::list`].
    List(Dir),
    /// [`Store::stamp`].
    Stamp(Dir),
    /// [`Store::remove`].
    Remove(Path),
    /// [`Store::make_dir`].
    MakeDir(Dir),
    /// [`Store::remove_dir`].
    RemoveDir(Dir),
    /// [`Store::flush`].
    Flush(Path),
    /// [`Store::sync_dir`].
    SyncDir(Dir),
    /// [`Fused::look`].
    Look(Arc<[Look]>),
    /// [`Fused::step`].
    Step(Arc<[Step]>),
}

/// What a store operation answers.
pub type Reply = Result<Outcome, StoreError>;

/// What a store operation answers when the medium works.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Of [`Call::Create`].
    Created(Created),
    /// Of [`Call::Append`].
    Appended(Appended),
    /// Of [`Call::Link`].
    Linked(Linked),
    /// Of [`Call::Rename`].
    Moved(Moved),
    /// Of [`Call::Read`] and [`Call::FirstLine`].
    Content(Option<Arc<[u8]>>),
    /// Of [`Call::Exists`].
    Exists(bool),
    /// Of [`Call::Links`].
    Links(Option<u64>),
    /// Of [`Call::List`].
    Names(Option<Arc<[String]>>),
    /// Of [`Call::Stamp`].
    Stamp(Option<Stamp>),
    /// Of [`Call::Remove`].
    Removed(Removed),
    /// Of [`Call::MakeDir`].
    Made(Made),
    /// Of [`Call::RemoveDir`].
    DirRemoved(DirRemoved),
    /// Of [`Call::Flush`].
    Flushed(Flushed),
    /// Of [`Call::SyncDir`].
    Synced,
    /// Of [`Call::Look`].
    Seen(Arc<[Seen]>),
    /// Of [`Call::Step`].
    Stepped(Arc<[Stepped]>),
}

impl Call {
    /// Does it.
    pub fn apply(&self, tree: &mut Tree) -> Reply {
        Ok(match self {
            Call::Create(path, content) | Call::CreateUnflushed(path, content) => {
                Outcome::Created(tree.create(path, content))
            }
            Call::Append(path, line, most) => Outcome::Appended(tree.append(path, line, *most)),
            Call::Link(from, to) => Outcome::Linked(tree.link(from, to)),
            Call::Rename(from, to) => Outcome::Moved(tree.rename(from, to)?),
            Call::Remove(path) => Outcome::Removed(tree.remove(path)?),
            Call::MakeDir(dir) => Outcome::Made(tree.make_dir(dir)?),
            Call::RemoveDir(dir) => Outcome::DirRemoved(tree.remove_dir(dir)),
            Call::Step(steps) => {
                let outcomes: Result<Vec<Stepped>, StoreError> = steps.iter().map(|step| tree.step(step)).collect();
                Outcome::Stepped(outcomes?.into())
            }
            _ => self.look(tree),
        })
    }

    /// Does an operation that changes no name.
    pub fn look(&self, tree: &Tree) -> Outcome {
        match self {
            Call::Read(path, max_bytes) => {
                let cut = |content: &Arc<[u8]>| content.get(..*max_bytes).map_or_else(|| content.clone(), Arc::from);
                Outcome::Content(tree.content(path).map(cut))
            }
            Call::FirstLine(path, max_bytes) => {
                let line = |content: &Arc<[u8]>| {
                    let mut content = content.to_vec();
                    content.truncate(*max_bytes);
                    cut_after_first_line(&mut content);
                    Arc::from(content)
                };
                Outcome::Content(tree.content(path).map(line))
            }
            Call::Exists(path) => Outcome::Exists(tree.exists(path)),
            Call::Links(path) => Outcome::Links(tree.links(path)),
            Call::List(dir) => Outcome::Names(tree.list(dir).map(Arc::from)),
            Call::Stamp(dir) => Outcome::Stamp(tree.stamp(dir)),
            Call::Flush(path) => {
                Outcome::Flushed(if tree.content(path).is_some() { Flushed::Now } else { Flushed::Gone })
            }
            Call::SyncDir(_) => Outcome::Synced,
            Call::Look(looks) => Outcome::Seen(looks.iter().map(|look| tree.look(look)).collect()),
            changing => panic!("{changing} changes names"),
        }
    }

    /// True if it may change a name, or what a file holds.
    pub fn changes(&self) -> bool {
        match self {
            Call::Create(..)
            | Call::CreateUnflushed(..)
            | Call::Append(..)
            | Call::Link(..)
            | Call::Rename(..)
            | Call::Remove(_) => true,
            Call::MakeDir(_) | Call::RemoveDir(_) | Call::Step(_) => true,
            Call::Read(..) | Call::FirstLine(..) | Call::Exists(_) | Call::Links(_) | Call::List(_) => false,
            Call::Stamp(_) | Call::Flush(_) | Call::SyncDir(_) | Call::Look(_) => false,
        }
    }
}

/// What the caller hears when the reply was lost on the way and a network filesystem's client sent the call once more.
pub fn repeated(reply: &Reply) -> Reply {
    reply.clone().map(|outcome| match outcome {
        Outcome::Created(Created::Now) => Outcome::Created(Created::Taken),
        Outcome::Linked(Linked::Now) => Outcome::Linked(Linked::Taken),
        Outcome::Moved(Moved::Here) => Outcome::Moved(Moved::Gone),
        Outcome::Removed(Removed::Now) => Outcome::Removed(Removed::Gone),
        Outcome::Made(Made::Now) => Outcome::Made(Made::Taken),
        Outcome::DirRemoved(DirRemoved::Now) => Outcome::DirRemoved(DirRemoved::Gone),
        other => other,
    })
}

/// What the caller hears when the medium failed in this way.
pub fn failed(kind: StoreErrorKind) -> Reply {
    Err(StoreError { operation: "do", path: String::new(), kind, detail: "the simulator made it fail".to_string() })
}

/// Each failure that a store can report.
pub const FAILURES: [StoreErrorKind; 5] = [
    StoreErrorKind::ReadOnly,
    StoreErrorKind::Denied,
    StoreErrorKind::Full,
    StoreErrorKind::WrongType,
    StoreErrorKind::Other,
];

/// A store whose every operation one function answers, on a medium that orders names or does not. The function's type
/// is erased, so the queue is compiled once for all functions.
#[derive(Clone)]
pub struct Answered<'a> {
    ask: Rc<dyn Fn(Call) -> Reply + 'a>,
    orders_names: Option<bool>,
    is_whole: bool,
}

impl<'a> Answered<'a> {
    /// A store that `ask` answers.
    pub fn by(ask: impl Fn(Call) -> Reply + 'a) -> Answered<'a> {
        Answered { ask: Rc::new(ask), orders_names: Some(false), is_whole: false }
    }

    /// The same on a medium that orders names, if that is so; `None`: that is not known to the agent.
    pub fn ordering_names(self, orders_names: impl Into<Option<bool>>) -> Answered<'a> {
        Answered { orders_names: orders_names.into(), ..self }
    }

    /// The same as an engine, if it is one. What costs an engine no trip is answered at once.
    pub fn whole(self, is_whole: bool) -> Answered<'a> {
        Answered { is_whole, ..self }
    }
}

impl Store for Answered<'_> {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        match (self.ask)(Call::Create(path.clone(), content.into()))? {
            Outcome::Created(created) => Ok(created),
            other => misfit(&other),
        }
    }

    fn create_unflushed(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        match (self.ask)(Call::CreateUnflushed(path.clone(), content.into()))? {
            Outcome::Created(created) => Ok(created),
            other => misfit(&other),
        }
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        match (self.ask)(Call::Append(path.clone(), line.into(), most))? {
            Outcome::Appended(appended) => Ok(appended),
            other => misfit(&other),
        }
    }

    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match (self.ask)(Call::FirstLine(path.clone(), max_bytes))? {
            Outcome::Content(content) => Ok(content.map(|content| content.to_vec())),
            other => misfit(&other),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        match (self.ask)(Call::Link(from.clone(), to.clone()))? {
            Outcome::Linked(linked) => Ok(linked),
            other => misfit(&other),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        match (self.ask)(Call::Rename(from.clone(), to.clone()))? {
            Outcome::Moved(moved) => Ok(moved),
            other => misfit(&other),
        }
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match (self.ask)(Call::Read(path.clone(), max_bytes))? {
            Outcome::Content(content) => Ok(content.map(|content| content.to_vec())),
            other => misfit(&other),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        match (self.ask)(Call::Exists(path.clone()))? {
            Outcome::Exists(exists) => Ok(exists),
            other => misfit(&other),
        }
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        match (self.ask)(Call::Links(path.clone()))? {
            Outcome::Links(links) => Ok(links),
            other => misfit(&other),
        }
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        match (self.ask)(Call::List(dir.clone()))? {
            Outcome::Names(names) => Ok(names.map(|names| names.to_vec())),
            other => misfit(&other),
        }
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        if self.is_whole {
            return Ok(Some(Stamp::from_parts(u64::MAX, 0)));
        }
        match (self.ask)(Call::Stamp(dir.clone()))? {
            Outcome::Stamp(stamp) => Ok(stamp),
            other => misfit(&other),
        }
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        match (self.ask)(Call::Remove(path.clone()))? {
            Outcome::Removed(removed) => Ok(removed),
            other => misfit(&other),
        }
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        if self.is_whole {
            return Ok(Made::Taken);
        }
        match (self.ask)(Call::MakeDir(dir.clone()))? {
            Outcome::Made(made) => Ok(made),
            other => misfit(&other),
        }
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        if self.is_whole {
            return Ok(DirRemoved::Gone);
        }
        match (self.ask)(Call::RemoveDir(dir.clone()))? {
            Outcome::DirRemoved(removed) => Ok(removed),
            other => misfit(&other),
        }
    }

    fn orders_names(&self) -> Option<bool> {
        if self.is_whole { Some(false) } else { self.orders_names }
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        if self.is_whole {
            return Ok(Flushed::Now);
        }
        match (self.ask)(Call::Flush(path.clone()))? {
            Outcome::Flushed(flushed) => Ok(flushed),
            other => misfit(&other),
        }
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        if self.is_whole {
            return Ok(());
        }
        match (self.ask)(Call::SyncDir(dir.clone()))? {
            Outcome::Synced => Ok(()),
            other => misfit(&other),
        }
    }

    fn fused(&self) -> Option<&dyn Fused> {
        if self.is_whole { Some(self) } else { None }
    }
}

impl Fused for Answered<'_> {
    fn format(&self) -> Option<Vec<u8>> {
        self.read(&layout::format(), limits::RECORD_BYTES).ok().flatten()
    }

    fn look(&self, looks: &[Look]) -> Result<Vec<Seen>, StoreError> {
        match (self.ask)(Call::Look(looks.into()))? {
            Outcome::Seen(seen) => Ok(seen.to_vec()),
            other => misfit(&other),
        }
    }

    fn step(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError> {
        match (self.ask)(Call::Step(steps.into()))? {
            Outcome::Stepped(outcomes) => Ok(outcomes.to_vec()),
            other => misfit(&other),
        }
    }
}

fn misfit(outcome: &Outcome) -> ! {
    panic!("{outcome:?} answers another call")
}
