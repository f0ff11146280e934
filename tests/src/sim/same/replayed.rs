//! The same operations on a queue whose calls return at once, and on one whose operations are run again for each answer
//! of the store, as JavaScript does on an engine: the same answers, the same calls, and the same files, byte by byte.
//! Some calls fail, and of some the reply is lost, at the same places on both sides.

use std::cell::RefCell;
use std::rc::Rc;

use coord_core::Queue;
use coord_core::replay::{Tape, Unanswered};
use coord_core::store::{StoreError, StoreErrorKind};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{AGENTS, Player, Shared};
use crate::sim::call::{Answered, Call, Reply};

/// One call of so many is refused, and of as many the reply is lost.
const MISHAPS: u32 = 40;

/// An engine that agents ask over a bad line, and the calls that came to it.
struct Side {
    engine: Shared,
    /// `None`: nothing goes wrong yet.
    luck: Option<SmallRng>,
    calls: Vec<Call>,
}

impl Side {
    fn new() -> Side {
        Side { engine: Shared::whole(), luck: None, calls: Vec::new() }
    }

    fn reply(&mut self, call: Call) -> Reply {
        self.calls.push(call.clone());
        let lost = |kind| StoreError { operation: "ask", path: String::new(), kind, detail: "a mishap".into() };
        match self.luck.as_mut().map(|luck| luck.random_range(0..MISHAPS)) {
            Some(0) => Err(lost(StoreErrorKind::EngineRefused)),
            Some(1) => {
                _ = self.engine.apply(call);
                Err(lost(StoreErrorKind::EngineLost))
            }
            _ => self.engine.apply(call),
        }
    }
}

/// A queue whose operations are run again.
struct Replayed {
    queue: Queue<Answered<'static>>,
    tape: Rc<Tape<Call, Reply>>,
}

impl Replayed {
    fn open(side: &mut Side) -> Replayed {
        let tape: Rc<Tape<Call, Reply>> = Rc::default();
        let asked = tape.clone();
        let no_answer = |unanswered: Unanswered| StoreError {
            operation: "ask",
            path: String::new(),
            kind: StoreErrorKind::EngineLost,
            detail: unanswered.to_string(),
        };
        let store = Answered::by(move |call: Call| asked.ask(call).map_err(no_answer).flatten()).whole(true);
        let queue = played(&tape, side, || Queue::open(store.clone()));
        Replayed { queue: queue.expect("an empty store"), tape }
    }

    /// Runs an operation on a copy of the queue, and keeps the last one.
    fn run<T>(&mut self, side: &mut Side, operation: impl Fn(&Queue<Answered<'static>>) -> T) -> T {
        let (queue, outcome) = played(&self.tape, side, || {
            let queue = self.queue.clone();
            let outcome = operation(&queue);
            (queue, outcome)
        });
        self.queue = queue;
        outcome
    }
}

/// Runs something until no call of it is open.
fn played<T>(tape: &Tape<Call, Reply>, side: &mut Side, run: impl Fn() -> T) -> T {
    loop {
        let outcome = run();
        let Some(call) = tape.open() else {
            tape.clear();
            return outcome;
        };
        tape.answer(side.reply(call));
    }
}

/// Does so many random operations both ways. How many calls came to the engine, or what differs.
pub fn compare_replayed(seed: u64, operations: usize) -> Result<usize, String> {
    let mut player = Player::new(seed);
    let (direct, mut side) = (Rc::new(RefCell::new(Side::new())), Side::new());
    let asked = direct.clone();
    let store = Answered::by(move |call: Call| asked.borrow_mut().reply(call)).whole(true);
    let reference = [(); AGENTS].map(|()| Queue::open(store.clone()).expect("an empty store"));
    let mut replayed = [(); AGENTS].map(|()| Replayed::open(&mut side));
    let luck = SmallRng::seed_from_u64(!seed);
    (direct.borrow_mut().luck, side.luck) = (Some(luck.clone()), Some(luck));
    for _ in 0..operations {
        let invocation = player.next_invocation();
        let wanted = invocation.run_on(&reference[invocation.agent]);
        let found = replayed[invocation.agent].run(&mut side, |queue| invocation.run_on(queue));
        player.history.push(format!("{invocation}: {wanted:?}"));
        let direct = direct.borrow();
        let difference = match () {
            () if wanted != found => Some(format!("but run again: {found:?}")),
            () if direct.calls != side.calls => Some("other calls came to the engine".to_string()),
            () if direct.engine.files() != side.engine.files() => Some("other files are in the engine".to_string()),
            () => None,
        };
        if let Some(difference) = difference {
            return Err(format!("seed {seed}\n{}\n{difference}", player.history.join("\n")));
        }
        drop(direct);
        player.told(&invocation, wanted);
    }
    Ok(side.calls.len())
}
