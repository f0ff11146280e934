//! The interface `muse:coord/store` for the component, answered by an engine.

use std::time::Duration;

use coord_core::layout::{Dir, Path};
use coord_core::store::fused::{
    Due, First, Fused as _, Head, Look, Move, Seen, SeenEntry, Step, Stepped, Stirred, TimedDirs, Watermark,
};
use coord_core::store::{Appended, Created, Linked, Moved, Removed, Store as _, StoreError, StoreErrorKind};
use coord_core::{TaskId, Timestamp};
use coord_postgres::PostgresStore;
use wasmtime::component::{HasSelf, Linker};

use self::bindings::muse::coord::store as wit;
use super::engine::{Connecting, Engine};
use super::place::{Place, Pointer};
use super::pointer;

/// Types and glue made from `wit/store.wit`.
mod bindings {
    wasmtime::component::bindgen!({ path: "../../wit", world: "store-imports" });
}

/// What the component is granted: an engine. It is connected to while the component is loaded, if the command needs it
/// and the queue need not be made.
pub(crate) struct Granted {
    /// `None`: no engine, to which every call is refused.
    place: Option<Place>,
    connecting: Option<Result<Connecting, String>>,
    engine: Option<Engine>,
    overseer: Option<Box<dyn Overseer>>,
}

/// Looks after a component: it may cut it off, and then has to know what is open still.
pub(crate) trait Overseer: Send {
    /// Tells whether the component is still there: a wait for changes ends with it.
    fn is_wanted(&self) -> bool;

    /// The engine did not say what came of a change, and may make it later.
    fn learn_of_a_loss(&self);
}

/// Links the interface, and nothing else.
pub(crate) fn link<T: 'static>(linker: &mut Linker<T>, granted: fn(&mut T) -> &mut Granted) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, HasSelf<Granted>>(linker, granted)
}

impl Granted {
    /// Nobody waits for the engine yet.
    pub(crate) fn to_be_opened(place: Place, is_command: bool) -> Granted {
        let connecting = (is_command && !place.is_init).then(|| Connecting::to(&place));
        Granted { place: Some(place), connecting, ..Granted::nothing() }
    }

    /// No engine: for a component that has its queue from elsewhere.
    pub(crate) fn nothing() -> Granted {
        Granted { place: None, connecting: None, engine: None, overseer: None }
    }

    /// The same, for a component that may be cut off.
    pub(crate) fn overseen_by(self, overseer: impl Overseer + 'static) -> Granted {
        Granted { overseer: Some(Box::new(overseer)), ..self }
    }

    /// Has the engine answer.
    fn ask<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(&PostgresStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, wit::Failure> {
        let engine = self.engine().map_err(wit::Failure::Refused)?;
        Ok(engine.ask(question).map_err(wit::Failure::Lost)??)
    }

    /// Has it make a change by which a task may become the component's.
    fn change<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(&PostgresStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, wit::Failure> {
        let outcome = self.ask(question);
        if let (Err(wit::Failure::Lost(_)), Some(overseer)) = (&outcome, &self.overseer) {
            overseer.learn_of_a_loss();
        }
        outcome
    }

    fn engine(&mut self) -> Result<&Engine, String> {
        let Granted { place: Some(place), connecting, engine, .. } = self else {
            return Err("no engine was granted".to_string());
        };
        match engine {
            Some(engine) => Ok(engine),
            engine => {
                let connecting = connecting.take().unwrap_or_else(|| Connecting::to(place));
                Ok(engine.insert(connecting?.opened()?))
            }
        }
    }
}

impl wit::Host for Granted {
    fn open(&mut self) -> Result<wit::Opened, wit::Failure> {
        let format = self.ask(|store| Ok(store.format()))?;
        let name = self.place.as_ref().map(|place| place.address.to_string()).unwrap_or_default();
        Ok(wit::Opened { name, format })
    }

    fn now(&mut self) -> u64 {
        let of_engine = self.engine.as_ref().and_then(|engine| engine.ask(|store| store.server().now()).ok());
        of_engine.unwrap_or_else(own_time).micros()
    }

    fn look_at(&mut self, looks: Vec<wit::Look>) -> Result<Vec<wit::Seen>, wit::Failure> {
        let looks = looks
            .into_iter()
            .map(Look::try_from)
            .collect::<Result<Vec<Look>, String>>()
            .map_err(wit::Failure::Refused)?;
        let seen = self.ask(move |store| store.look(&looks))?;
        Ok(seen.into_iter().map(wit::Seen::from).collect())
    }

    fn change(&mut self, steps: Vec<wit::Step>) -> Result<Vec<wit::Stepped>, wit::Failure> {
        let steps: Vec<Step> = steps.into_iter().map(Step::from).collect();
        let stepped = Granted::change(self, move |store| store.step(&steps))?;
        Ok(stepped.into_iter().map(wit::Stepped::from).collect())
    }

    fn create(&mut self, path: String, content: Vec<u8>) -> Result<bool, wit::Failure> {
        self.ask(move |store| Ok(store.create(&Path::parse(&path), &content)? == Created::Now))
    }

    fn rename(&mut self, from: String, to: String) -> Result<bool, wit::Failure> {
        Granted::change(self, move |store| Ok(store.rename(&Path::parse(&from), &Path::parse(&to))? == Moved::Here))
    }

    fn link(&mut self, from: String, to: String) -> Result<wit::Linked, wit::Failure> {
        Ok(match self.ask(move |store| store.link(&Path::parse(&from), &Path::parse(&to)))? {
            Linked::Now => wit::Linked::Done,
            Linked::Taken => wit::Linked::Taken,
            Linked::Gone => wit::Linked::Gone,
        })
    }

    fn append(&mut self, path: String, line: Vec<u8>, most: u32) -> Result<wit::Appended, wit::Failure> {
        match self.ask(move |store| store.append(&Path::parse(&path), &line, size(most)))? {
            Appended::Now(names) => Ok(wit::Appended::Done(names)),
            Appended::Gone => Ok(wit::Appended::Gone),
            Appended::Full => Ok(wit::Appended::Full),
            Appended::Unable => Err(wit::Failure::Refused("this engine cannot add to a file".to_string())),
        }
    }

    fn read(&mut self, path: String, max_bytes: u32) -> Result<Option<Vec<u8>>, wit::Failure> {
        self.ask(move |store| store.read(&Path::parse(&path), size(max_bytes)))
    }

    fn links(&mut self, path: String) -> Result<Option<u64>, wit::Failure> {
        self.ask(move |store| store.links(&Path::parse(&path)))
    }

    fn exists(&mut self, path: String) -> Result<bool, wit::Failure> {
        self.ask(move |store| store.exists(&Path::parse(&path)))
    }

    fn remove(&mut self, path: String) -> Result<bool, wit::Failure> {
        self.ask(move |store| Ok(store.remove(&Path::parse(&path))? == Removed::Now))
    }

    fn wait(&mut self, dirs: Vec<String>, at_most: u64) -> Result<bool, wit::Failure> {
        let dirs: Vec<Dir> = dirs.iter().map(|dir| Dir::parse(dir)).collect();
        self.engine().map_err(wit::Failure::Refused)?;
        let Granted { engine: Some(engine), overseer, .. } = self else { return Ok(false) };
        let question = move |store: &PostgresStore| store.stirred(&dirs, Duration::from_nanos(at_most));
        let stirred = match overseer {
            None => engine.ask(question),
            Some(overseer) => engine.ask_while(|| overseer.is_wanted(), question),
        };
        Ok(stirred.map_err(wit::Failure::Lost)?? == Stirred::Told)
    }

    fn doubts(&mut self) -> Result<Vec<String>, wit::Failure> {
        self.ask(|store| Ok(store.server().promises()?.findings()))
    }

    fn point_here(&mut self) -> Result<Option<(String, bool)>, wit::Failure> {
        let Some(place) = &self.place else { return Ok(None) };
        let (file, is_new) = match &place.pointer {
            None => return Ok(None),
            Some(Pointer::There(file)) => (file, false),
            Some(Pointer::ToBeMade(file)) => {
                let address = place.address.to_string();
                (file, pointer::write(file, &address).map_err(wit::Failure::Refused)?)
            }
        };
        Ok(Some((file.to_string_lossy().into_owned(), is_new)))
    }
}

/// This machine's clock, by which a directory is used. On an engine it counts until that is asked for its own.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks for the time")]
pub(crate) fn own_time() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}

fn size(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

impl From<StoreError> for wit::Failure {
    fn from(error: StoreError) -> wit::Failure {
        match error.kind {
            StoreErrorKind::EngineRefused => wit::Failure::Refused(error.detail),
            _ => wit::Failure::Lost(error.detail),
        }
    }
}

impl TryFrom<wit::Look> for Look {
    type Error = String;

    fn try_from(look: wit::Look) -> Result<Look, String> {
        Ok(match look {
            wit::Look::Names(dir) => Look::Names(Dir::parse(&dir)),
            wit::Look::Line(path) => Look::Line(Path::parse(&path)),
            wit::Look::Head(wit::Head { of, after, watermarks, most }) => {
                let of = match of {
                    wit::TimedDirs::These(dirs) => TimedDirs::These(dirs.iter().map(|dir| Dir::parse(dir)).collect()),
                    wit::TimedDirs::AllQueues => TimedDirs::AllQueues,
                };
                let mark = |mark: wit::Watermark| Watermark {
                    priority: Dir::parse(&mark.priority),
                    first: Path::parse(&mark.first),
                };
                let watermarks = watermarks.into_iter().map(mark).collect();
                Look::Head(Head { of, after, watermarks, most: size(most) })
            }
            wit::Look::OfTask(id) => {
                Look::OfTask(TaskId::from_hex(&id).ok_or_else(|| format!("{id:?} is no id of a task"))?)
            }
            wit::Look::Due(wit::Due { by, after, most }) => Look::Due(Due {
                by: Timestamp::from_micros(by),
                after: after.as_deref().map(Path::parse),
                most: size(most),
            }),
        })
    }
}

impl From<Seen> for wit::Seen {
    fn from(seen: Seen) -> wit::Seen {
        let entry = |SeenEntry { path, line }: SeenEntry| wit::Entry { path: path.to_string(), line };
        match seen {
            Seen::Names(names) => wit::Seen::Names(names),
            Seen::Line(line) => wit::Seen::Line(line),
            Seen::Entries(entries) => wit::Seen::Entries(entries.into_iter().map(entry).collect()),
        }
    }
}

impl From<wit::Step> for Step {
    fn from(wit::Step { first, moves, durable, then }: wit::Step) -> Step {
        let first = match first {
            wit::First::Nothing => First::Nothing,
            wit::First::Create((path, content)) => First::Create(Path::parse(&path), content),
            wit::First::Append((line, most)) => First::Append(line, size(most)),
        };
        let moves = moves.into_iter().map(|one| match one {
            wit::Move::Rename((from, to)) => Move::Rename(Path::parse(&from), Path::parse(&to)),
            wit::Move::Link((from, to)) => Move::Link(Path::parse(&from), Path::parse(&to)),
        });
        Step { first, moves: moves.collect(), durable, then: then.as_deref().map(Dir::parse) }
    }
}

impl From<Stepped> for wit::Stepped {
    fn from(stepped: Stepped) -> wit::Stepped {
        match stepped {
            Stepped::Done { by, found } => {
                wit::Stepped::Done(wit::Done { by: u32::try_from(by).unwrap_or(u32::MAX), found })
            }
            Stepped::Gone => wit::Stepped::Gone,
            Stepped::Taken => wit::Stepped::Taken,
            Stepped::Full => wit::Stepped::Full,
        }
    }
}
