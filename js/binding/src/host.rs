//! The store in JavaScript: each operation but `create_all` is one call of a method of [`Host`], which
//! `js/src/node-store.ts` implements.

use coord_core::Timestamp;
use coord_core::layout::{Dir, Path};
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, Store, StoreError, StoreErrorKind,
};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What the queue needs of the world: a directory, a clock, random bits. Paths are relative to the directory. */
export interface Host {
  /** Microseconds since 1970. */
  now(): number;
  /** Sixty-four random bits. */
  nonce(): bigint;
  create(path: string, content: Uint8Array): Outcome;
  /** How many names the file has, 0 where that is not told; -1: there is no such file; -2: it would hold more than `most` bytes. */
  append(path: string, line: Uint8Array, most: number): number;
  link(from: string, to: string): Outcome;
  rename(from: string, to: string): Outcome;
  /** It may change with the next call. */
  read(path: string, maxBytes: number): Uint8Array | undefined;
  /** The same, up to the end of the first line. */
  firstLine(path: string, maxBytes: number): Uint8Array | undefined;
  links(path: string): number | undefined;
  exists(path: string): boolean;
  /** The names, with `/` behind each. */
  list(dir: string): string | undefined;
  /** When the directory last changed, in milliseconds since 1970. */
  stamp(dir: string): number | undefined;
  remove(path: string): Outcome;
  makeDir(dir: string): Outcome;
  removeDir(dir: string): Outcome;
  /** Makes durable what a file holds. */
  flush(path: string): Outcome;
  /** No name is durable before what was done earlier; `undefined`: that is not known, and others may rely on it. */
  ordersNames(): boolean | undefined;
  createUnflushed(path: string, content: Uint8Array): Outcome;
  /** `Missing`: the directory is gone. */
  syncDir(dir: string): Outcome;
}
"#;

/// What a change came to. A medium that fails is thrown, as a string: its kind, a space, and its own words.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It is done.
    Done,
    /// Something is there already: a file of that name, or names in a directory that was to be removed.
    InTheWay,
    /// There is no such file, or no directory for it.
    Missing,
}

#[wasm_bindgen]
extern "C" {
    /// See [`TYPES`].
    #[wasm_bindgen(typescript_type = "Host")]
    pub type Host;

    #[wasm_bindgen(method)]
    fn now(this: &Host) -> f64;
    #[wasm_bindgen(method)]
    pub(crate) fn nonce(this: &Host) -> u64;
    #[wasm_bindgen(method, catch)]
    fn create(this: &Host, path: &str, content: &[u8]) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn append(this: &Host, path: &str, line: &[u8], most: usize) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn link(this: &Host, from: &str, to: &str) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn rename(this: &Host, from: &str, to: &str) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn read(this: &Host, path: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = firstLine)]
    fn first_line(this: &Host, path: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn links(this: &Host, path: &str) -> Result<Option<f64>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn exists(this: &Host, path: &str) -> Result<bool, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn list(this: &Host, dir: &str) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn stamp(this: &Host, dir: &str) -> Result<Option<f64>, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn remove(this: &Host, path: &str) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, catch, js_name = makeDir)]
    fn make_dir(this: &Host, dir: &str) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, catch, js_name = removeDir)]
    fn remove_dir(this: &Host, dir: &str) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn flush(this: &Host, path: &str) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, js_name = ordersNames)]
    fn orders_names(this: &Host) -> Option<bool>;
    #[wasm_bindgen(method, catch, js_name = createUnflushed)]
    fn create_unflushed(this: &Host, path: &str, content: &[u8]) -> Result<Outcome, JsValue>;
    #[wasm_bindgen(method, catch, js_name = syncDir)]
    fn sync_dir(this: &Host, dir: &str) -> Result<Outcome, JsValue>;
}

/// The directory that a [`Host`] works in, its clock and its random bits.
pub(crate) struct HostStore(pub(crate) Host);

impl HostStore {
    /// The wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        // Never out of range: a cast from a float saturates.
        Timestamp::from_micros(self.0.now() as u64)
    }
}

impl Store for HostStore {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        let path = text(path);
        self.0.create(&path, content).map(created).map_err(failed("create", &path))
    }

    fn create_unflushed(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        let path = text(path);
        self.0.create_unflushed(&path, content).map(created).map_err(failed("create", &path))
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        let path = text(path);
        Ok(match self.0.append(&path, line, most).map_err(failed("add to", &path))? {
            -1.0 => Appended::Gone,
            -2.0 => Appended::Full,
            names => Appended::Now(names as u64),
        })
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        let to = text(to);
        Ok(match self.0.link(&text(from), &to).map_err(failed("link", &to))? {
            Outcome::Done => Linked::Now,
            Outcome::InTheWay => Linked::Taken,
            Outcome::Missing => Linked::Gone,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        let from = text(from);
        Ok(match self.0.rename(&from, &text(to)).map_err(failed("rename", &from))? {
            Outcome::Done => Moved::Here,
            Outcome::InTheWay | Outcome::Missing => Moved::Gone,
        })
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let path = text(path);
        self.0.read(&path, max_bytes).map_err(failed("read", &path))
    }

    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let path = text(path);
        self.0.first_line(&path, max_bytes).map_err(failed("read", &path))
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let path = text(path);
        Ok(self.0.links(&path).map_err(failed("look at", &path))?.map(|links| links as u64))
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        let path = text(path);
        self.0.exists(&path).map_err(failed("look at", &path))
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        let names = self.0.list(dir.as_str()).map_err(failed("list", dir.as_str()))?;
        Ok(names.map(|names| names.split_terminator('/').map(String::from).collect()))
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        let stamp = self.0.stamp(dir.as_str()).map_err(failed("look at", dir.as_str()))?;
        let from_millis = |millis: f64| {
            Stamp::from_parts((millis / 1_000.0) as u64, (millis.rem_euclid(1_000.0) * 1_000_000.0) as u32)
        };
        Ok(stamp.map(from_millis))
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        let path = text(path);
        Ok(match self.0.remove(&path).map_err(failed("remove", &path))? {
            Outcome::Done => Removed::Now,
            Outcome::InTheWay | Outcome::Missing => Removed::Gone,
        })
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        Ok(match self.0.make_dir(dir.as_str()).map_err(failed("make directory", dir.as_str()))? {
            Outcome::Done => Made::Now,
            Outcome::InTheWay => Made::Taken,
            Outcome::Missing => Made::NoParent,
        })
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        Ok(match self.0.remove_dir(dir.as_str()).map_err(failed("remove directory", dir.as_str()))? {
            Outcome::Done => DirRemoved::Now,
            Outcome::InTheWay => DirRemoved::NotEmpty,
            Outcome::Missing => DirRemoved::Gone,
        })
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        let path = text(path);
        Ok(match self.0.flush(&path).map_err(failed("sync", &path))? {
            Outcome::Done | Outcome::InTheWay => Flushed::Now,
            Outcome::Missing => Flushed::Gone,
        })
    }

    fn orders_names(&self) -> Option<bool> {
        self.0.orders_names()
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        match (self.0.sync_dir(dir.as_str()).map_err(failed("sync", dir.as_str()))?, dir.split()) {
            (Outcome::Missing, Some((above, _))) => Store::sync_dir(self, &above),
            _ => Ok(()),
        }
    }
}

/// The path's text, without the detour that formatting is.
fn text(path: &Path) -> String {
    match path.dir.as_str() {
        "" => path.name.clone(),
        dir => [dir, "/", &path.name].concat(),
    }
}

fn created(outcome: Outcome) -> Created {
    match outcome {
        Outcome::Done => Created::Now,
        Outcome::InTheWay => Created::Taken,
        Outcome::Missing => Created::NoDir,
    }
}

/// What is thrown is `KIND WORDS`. Anything else is a fault of the host, in its own words.
fn failed(operation: &'static str, path: &str) -> impl FnOnce(JsValue) -> StoreError {
    move |thrown| {
        let said = thrown.as_string().unwrap_or_else(|| format!("other {thrown:?}"));
        let (kind, detail) = said.split_once(' ').unwrap_or(("other", &said));
        let kind = match kind {
            "read-only" => StoreErrorKind::ReadOnly,
            "denied" => StoreErrorKind::Denied,
            "full" => StoreErrorKind::Full,
            "wrong-type" => StoreErrorKind::WrongType,
            "too-many-open" => StoreErrorKind::TooManyOpen,
            _ => StoreErrorKind::Other,
        };
        StoreError { operation, path: path.to_string(), kind, detail: detail.to_string() }
    }
}
