//! What one step does to the world and to the agent that takes it. That depends on nothing else: so it is found out
//! once for each world and each agent's progress, and remembered for all states that have both.

use std::hash::Hash;
use std::sync::{Arc, RwLock};

use coord_core::store::StoreErrorKind;
use coord_core::store::mem::Tree;
use rustc_hash::FxHashMap;

use super::interned::{Interned, Interner};
use super::replay::Runs;
use super::space::{Doing, Earlier, Progress, Sent, Space, What, unstamped};
use crate::sim::agent::{Answer, Invocation};
use crate::sim::call::{Reply, failed, repeated};
use crate::sim::oracle::Broken;
use crate::sim::world::World;

/// All that was found out so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) runs: RwLock<Runs>,
    places: Interner<Place>,
    doings: Interner<Doing>,
    sent: Interner<Sent>,
    begun: RwLock<FxHashMap<(u32, Invocation, Earlier), Taken>>,
    called: RwLock<FxHashMap<(u32, u32, Way), Taken>>,
    arrived: RwLock<FxHashMap<(u32, u32), Taken>>,
    /// Whether what is left to do in a world goes well, when these arrive late.
    pub(super) rests: RwLock<FxHashMap<(u32, Vec<u32>), bool>>,
}

/// A world, and which names of its tree lead to one content: equal trees may differ in that.
///
/// They may differ in the counters of their stamps, too, which mean nothing to anybody: a stamp tells an agent whether
/// a directory is there. So states are one that differ only in the counter of a stamp whose reply came twice.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) world: World,
    shared: Vec<usize>,
}

/// What comes of a step.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) place: Interned<Place>,
    /// What the agent goes on with.
    pub(super) busy: Option<Interned<Doing>>,
    /// What the agent is told.
    pub(super) answer: Option<Answer>,
    /// What it has done, if that is over, and the replies that it had.
    pub(super) over: Option<(Invocation, Arc<Vec<Reply>>)>,
    pub(super) broken: Option<Broken>,
}

impl Taken {
    /// The agent is at rest, and is told nothing.
    pub(super) fn nothing(place: Interned<Place>) -> Taken {
        Taken { place, busy: None, answer: None, over: None, broken: None }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    Done,
    Failed,
    FailedAfter,
    Repeated,
    Lost,
}

impl Known {
    pub(super) fn place(&self, world: World) -> Interned<Place> {
        let shared = shared(&world.tree);
        self.places.intern(Place { world, shared })
    }

    /// A call that is under way, though nobody waits for its reply.
    pub(super) fn sent(&self, doing: &Doing) -> Interned<Sent> {
        self.sent.intern((doing.invocation, doing.call.clone()))
    }
}

impl Space {
    /// An agent begins an invocation.
    pub(super) fn begun(&self, place: &Interned<Place>, invocation: Invocation, earlier: &Earlier) -> Taken {
        remembered(&self.known.begun, (place.number(), invocation, earlier.clone()), || {
            self.go_on(place.world.clone(), invocation, earlier, Arc::default())
        })
    }

    /// An agent's next call is done, or not.
    pub(super) fn called(&self, place: &Interned<Place>, doing: &Interned<Doing>, what: &What) -> Taken {
        let way = match what {
            What::Fail => Way::Failed,
            What::FailAfter => Way::FailedAfter,
            What::Repeat => Way::Repeated,
            What::Lose => Way::Lost,
            _ => Way::Done,
        };
        remembered(&self.known.called, (place.number(), doing.number(), way), || {
            let mut world = place.world.clone();
            match self.call(&mut world, doing, way) {
                Ok(replies) => self.go_on(world, doing.invocation, &doing.earlier, replies),
                Err(broken) => self.broken(world, broken),
            }
        })
    }

    /// A call that was under way takes effect.
    pub(super) fn arrived(&self, place: &Interned<Place>, sent: &Interned<Sent>) -> Taken {
        remembered(&self.known.arrived, (place.number(), sent.number()), || {
            let (mut world, (invocation, call)) = (place.world.clone(), &**sent);
            let broken = world.call(call, invocation).err();
            Taken { broken, ..Taken::nothing(self.known.place(world)) }
        })
    }

    /// The replies that an agent has had, with that to its next call.
    fn call(&self, world: &mut World, doing: &Doing, way: Way) -> Result<Arc<Vec<Reply>>, Broken> {
        let Doing { invocation, replies, call, .. } = doing;
        let mut replies = Vec::clone(replies);
        let reply = match way {
            Way::Lost => failed(StoreErrorKind::EngineLost),
            Way::Failed => world.fail(call),
            _ => world.call(call, invocation)?,
        };
        self.assert_not_constant(call, &reply);
        replies.push(match way {
            Way::Repeated => repeated(&reply),
            Way::FailedAfter => failed(StoreErrorKind::Other),
            _ => reply.map(unstamped),
        });
        Ok(replies.into())
    }

    /// Has an agent go on with its invocation as far as its replies go, and do what nobody sees.
    fn go_on(
        &self,
        mut world: World,
        invocation: Invocation,
        earlier: &Earlier,
        mut replies: Arc<Vec<Reply>>,
    ) -> Taken {
        loop {
            match self.progress(&invocation, earlier, &replies, &world.tree) {
                Progress::Wants(call) if self.is_private(&call) => match world.call(&call, &invocation) {
                    Ok(reply) => Arc::make_mut(&mut replies).push(reply),
                    Err(broken) => return self.broken(world, broken),
                },
                Progress::Wants(call) => {
                    let doing = Doing { invocation, earlier: earlier.clone(), replies, call };
                    let busy = Some(self.known.doings.intern(doing));
                    return Taken { busy, ..Taken::nothing(self.known.place(world)) };
                }
                Progress::Over(answer) => {
                    let broken = world.told(&invocation, &answer).err();
                    let (answer, over) = (Some(answer), Some((invocation, replies)));
                    return Taken { answer, over, broken, ..Taken::nothing(self.known.place(world)) };
                }
            }
        }
    }

    fn broken(&self, world: World, broken: Broken) -> Taken {
        Taken { broken: Some(broken), ..Taken::nothing(self.known.place(world)) }
    }
}

/// What is known, or else what is found out now.
pub(super) fn remembered<K: Eq + Hash, V: Clone>(
    known: &RwLock<FxHashMap<K, V>>,
    key: K,
    find_out: impl FnOnce() -> V,
) -> V {
    if let Some(value) = known.read().expect("no holder panics").get(&key) {
        return value.clone();
    }
    let value = find_out();
    known.write().expect("no holder panics").insert(key, value.clone());
    value
}

/// For each name the place of the first name with the same content.
fn shared(tree: &Tree) -> Vec<usize> {
    let mut first = FxHashMap::default();
    tree.files().enumerate().map(|(place, (_, content))| *first.entry(Arc::as_ptr(content)).or_insert(place)).collect()
}
