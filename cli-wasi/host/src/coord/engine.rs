//! The connection to an engine, in a thread of its own.
//!
//! The component and the connection each run on a runtime, and neither may wait inside the other. So the component's
//! thread sends each question to this one, and waits for the answer: it has nothing else to do meanwhile.

use std::fmt::Display;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use coord_postgres::{Passwords, PostgresStore};
use coord_store::process;

use super::place::Place;

/// An engine that was opened: its store, or what was made of that in its thread.
pub(crate) struct Engine<T = PostgresStore> {
    asked: Sender<Question<T>>,
}

/// How many files a connection and its runtime open, and some to spare.
const FILES: usize = 16;

/// How often it is looked whether an answer is still wanted.
const STILL_WANTED: Duration = Duration::from_millis(50);

/// A call of the store, which its thread makes.
type Question<T> = Box<dyn FnOnce(&T) + Send>;

/// An engine that is being connected to.
pub(crate) struct Connecting<T = PostgresStore> {
    asked: Sender<Question<T>>,
    told: Receiver<Result<(), String>>,
}

impl Connecting {
    /// Begins to connect to the engine, and does not wait for it.
    pub(crate) fn to(place: &Place) -> Result<Connecting, String> {
        Connecting::to_make(place, Ok::<PostgresStore, String>)
    }
}

impl<T: 'static> Connecting<T> {
    /// Begins to connect, to make something of the store in its thread.
    pub(crate) fn to_make<E: Display>(
        place: &Place,
        make: impl FnOnce(PostgresStore) -> Result<T, E> + Send + 'static,
    ) -> Result<Connecting<T>, String> {
        let (asked, questions) = mpsc::channel::<Question<T>>();
        let (tell, told) = mpsc::channel();
        // The runtime of the connection panics where it gets too few files.
        process::check_room_for(FILES).map_err(|error| {
            format!("this process may open too few files to connect: {error}; raise the limit (`ulimit -n`)")
        })?;
        let (address, passwords) = (place.address.clone(), Passwords::of_environment(place.from));
        let opens = if place.is_init { coord_postgres::create } else { coord_postgres::open };
        let begun = thread::Builder::new().name("engine".into()).spawn(move || {
            let opened = opens(&address, passwords).map_err(|error| error.to_string());
            match opened.and_then(|store| make(store).map_err(|error| error.to_string())) {
                Ok(made) => {
                    // Nobody waits for it if the process is about to end.
                    _ = tell.send(Ok(()));
                    questions.iter().for_each(|question| question(&made));
                }
                Err(error) => _ = tell.send(Err(error)),
            }
        });
        begun.map_err(|error| format!("no thread can be had for the connection: {error}"))?;
        Ok(Connecting { asked, told })
    }

    /// Waits until it is connected.
    pub(crate) fn opened(self) -> Result<Engine<T>, String> {
        self.told.recv().map_err(|_| broken())??;
        Ok(Engine { asked: self.asked })
    }
}

impl<T> Engine<T> {
    /// Asks the store, and waits for the answer.
    pub(crate) fn ask<A: Send + 'static>(&self, question: impl FnOnce(&T) -> A + Send + 'static) -> Result<A, String> {
        self.asked(question)?.recv().map_err(|_| broken())
    }

    /// The same, for a question that changes nothing: the answer is not waited for any more when it is not wanted.
    pub(crate) fn ask_while<A: Send + 'static>(
        &self,
        is_wanted: impl Fn() -> bool,
        question: impl FnOnce(&T) -> A + Send + 'static,
    ) -> Result<A, String> {
        let told = self.asked(question)?;
        loop {
            match told.recv_timeout(STILL_WANTED) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) if is_wanted() => {}
                Err(RecvTimeoutError::Timeout) => return Err("nobody waits for it any more".to_string()),
                Err(RecvTimeoutError::Disconnected) => return Err(broken()),
            }
        }
    }

    fn asked<A: Send + 'static>(&self, question: impl FnOnce(&T) -> A + Send + 'static) -> Result<Receiver<A>, String> {
        let (tell, told) = mpsc::channel();
        let question: Question<T> = Box::new(move |made| _ = tell.send(question(made)));
        self.asked.send(question).map_err(|_| broken())?;
        Ok(told)
    }
}

fn broken() -> String {
    "the connection broke down".to_string()
}
