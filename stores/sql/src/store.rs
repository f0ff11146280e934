//! The operations of a store, each a statement.

use coord_core::Store;
use coord_core::layout::{Dir, Path, due_at, task_of};
use coord_core::store::fused::Fused;
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError, cut_after_first_line,
};

use crate::asked::Asked;
use crate::failure::{About, FailureKind};
use crate::row::{FromCell, Row};
use crate::server::{Answer, Server};
use crate::statements;
use crate::value::Value;

/// A queue on a server.
#[derive(Clone, Debug)]
pub struct SqlStore<S> {
    server: S,
}

impl<S: Server> SqlStore<S> {
    /// The queue on this server, in the schema that it asks.
    pub fn new(server: S) -> SqlStore<S> {
        SqlStore { server }
    }

    /// The server.
    pub fn server(&self) -> &S {
        &self.server
    }

    /// What one statement answers.
    pub(crate) fn one(&self, asked: Asked) -> Result<Answer, StoreError> {
        Ok(self.server.ask(vec![asked])?.pop().unwrap_or_else(|| Ok(Vec::new())))
    }

    /// The rows that a statement answers.
    fn rows(&self, about: &About<'_>, asked: Asked) -> Result<Vec<Row>, StoreError> {
        self.one(asked)?.map_err(|failure| about.failed(&failure))
    }

    /// The one row that a statement answers, if it does.
    fn row(&self, about: &About<'_>, asked: Asked) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(about, asked)?.into_iter().next())
    }

    /// The names right below a directory of many, each looked for by itself.
    pub(crate) fn children(&self, dir: &Dir) -> Result<Vec<String>, StoreError> {
        let path = dir.as_str();
        let about = About { operation: "list", path: &path };
        let [from, before] = range(dir);
        let skipped = from.chars().count() + 1;
        let rows = self.rows(&about, Asked::new(statements::CHILDREN).text(from).text(before).int(skipped))?;
        rows.into_iter().map(|row| column(&about, row)).collect()
    }

    /// Gives a file another name by a statement, durably.
    fn name(&self, about: &About<'_>, sql: &'static str, from: &Path, to: &Path) -> Result<Option<Row>, StoreError> {
        self.row(about, Asked::new(sql).bool(true).text(from.to_string()).target(Target::of(to)))
    }

    /// All files, with their content: for looking on in tests.
    pub fn files(&self) -> Result<Vec<(Path, Vec<u8>)>, StoreError> {
        let about = About { operation: "list", path: &"the queue" };
        let rows = self.rows(&about, Asked::new(statements::FILES))?;
        let file = |row| two(&about, Some(row)).map(|(path, content): (String, _)| (path_of(&path), content));
        rows.into_iter().map(file).collect()
    }
}

/// Up to so many paths are read to list a directory, before its children are looked for one by one.
pub(crate) const PATHS_READ: i64 = 1_000;

impl<S: Server> Store for SqlStore<S> {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        let about = About { operation: "create", path };
        let Target { path, task, due } = Target::of(path);
        let asked = Asked::new(statements::CREATE).bool(true).text(path).bytes(content.to_vec());
        match self.one(asked.with(Value::Bytea(task)).with(Value::Int8(due)))? {
            Err(failure) if failure.kind == FailureKind::Taken => Ok(Created::Taken),
            made => {
                let made = made.map_err(|failure| about.failed(&failure))?;
                Ok(if made.is_empty() { Created::Taken } else { Created::Now })
            }
        }
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        let about = About { operation: "add to", path };
        let asked = Asked::new(statements::APPEND).text(path.to_string()).bytes(line.to_vec()).int(most);
        let row = self.row(&about, asked)?;
        let (there, names): (i64, Option<i32>) = two(&about, row)?;
        Ok(match names {
            Some(names) => Appended::Now(u64::try_from(names).unwrap_or(0)),
            None if there == 0 => Appended::Gone,
            None => Appended::Full,
        })
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        let about = About { operation: "link", path: to };
        let row = self.name(&about, statements::LINK, from, to)?;
        let (there, made): (i64, i64) = two(&about, row)?;
        Ok(match (there, made) {
            (_, 1..) => Linked::Now,
            (0, _) => Linked::Gone,
            _ => Linked::Taken,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        let about = About { operation: "rename", path: from };
        let row = self.name(&about, statements::RENAME, from, to)?;
        Ok(if row.is_some() { Moved::Here } else { Moved::Gone })
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let about = About { operation: "read", path };
        let row = self.row(&about, Asked::new(statements::READ).text(path.to_string()).int(max_bytes))?;
        row.map(|row| column(&about, row)).transpose()
    }

    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let about = About { operation: "read", path };
        let row = self.row(&about, Asked::new(statements::LINE).text(path.to_string()).int(max_bytes))?;
        let mut line: Option<Vec<u8>> = row.map(|row| column(&about, row)).transpose()?;
        line.iter_mut().for_each(cut_after_first_line);
        Ok(line)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let about = About { operation: "count the names of", path };
        let row = self.row(&about, Asked::new(statements::NAMES_OF).text(path.to_string()))?;
        let names: Option<i64> = row.map(|row| column(&about, row)).transpose()?;
        Ok(names.and_then(|names| u64::try_from(names).ok()))
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        let about = About { operation: "look for", path };
        let [from, before] = range(&path.dir.child(&path.name));
        let row = self.row(&about, Asked::new(statements::EXISTS).text(path.to_string()).text(from).text(before))?;
        row.map_or(Ok(false), |row| column(&about, row))
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        let path = dir.as_str();
        let about = About { operation: "list", path: &path };
        let [from, before] = range(dir);
        let rows = self.rows(&about, Asked::new(statements::PATHS).text(from).text(before).long(PATHS_READ + 1))?;
        let paths: Vec<String> = rows.into_iter().map(|row| column(&about, row)).collect::<Result<_, _>>()?;
        if paths.len() <= usize::try_from(PATHS_READ).unwrap_or(0) {
            return Ok(names_in(dir, &paths));
        }
        self.children(dir).map(Some)
    }

    fn stamp(&self, _dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        Ok(Some(Stamp::from_parts(u64::MAX, 0)))
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        let about = About { operation: "remove", path };
        let row = self.row(&about, Asked::new(statements::REMOVE).text(path.to_string()))?;
        let removed: i64 = row.map_or(Ok(0), |row| column(&about, row))?;
        Ok(if removed > 0 { Removed::Now } else { Removed::Gone })
    }

    fn make_dir(&self, _dir: &Dir) -> Result<Made, StoreError> {
        Ok(Made::Taken)
    }

    fn remove_dir(&self, _dir: &Dir) -> Result<DirRemoved, StoreError> {
        Ok(DirRemoved::Gone)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        Ok(if self.exists(path)? { Flushed::Now } else { Flushed::Gone })
    }

    fn orders_names(&self) -> Option<bool> {
        Some(false)
    }

    fn sync_dir(&self, _dir: &Dir) -> Result<(), StoreError> {
        Ok(())
    }

    fn fused(&self) -> Option<&dyn Fused> {
        Some(self)
    }
}

/// A new name with what it is looked for by.
pub(crate) struct Target {
    pub(crate) path: String,
    pub(crate) task: Option<Vec<u8>>,
    pub(crate) due: Option<i64>,
}

impl Target {
    pub(crate) fn of(path: &Path) -> Target {
        let due = due_at(path).and_then(|due| i64::try_from(due.micros()).ok());
        Target { path: path.to_string(), task: task_of(path).map(|id| id.hex().into_bytes()), due }
    }
}

/// The paths below a directory: from the first, up to what follows the last.
pub(crate) fn range(dir: &Dir) -> [String; 2] {
    match dir.as_str() {
        "" => [String::new(), "\u{10ffff}".to_string()],
        // `0` follows `/`.
        dir => [format!("{dir}/"), format!("{dir}0")],
    }
}

/// The names right below a directory, of all paths below it. One right below the root is always there.
pub(crate) fn names_in(dir: &Dir, paths: &[String]) -> Option<Vec<String>> {
    let above = range(dir)[0].len();
    let mut names: Vec<String> =
        paths.iter().filter_map(|path| path.get(above..)?.split('/').next()).map(ToString::to_string).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty() || !dir.as_str().contains('/')).then_some(names)
}

/// A path by its text.
pub(crate) fn path_of(text: &str) -> Path {
    let (dir, name) = text.rsplit_once('/').unwrap_or(("", text));
    let names = dir.split('/').filter(|name| !name.is_empty());
    names.fold(Dir::root(), |dir, name| dir.child(name)).file(name)
}

pub(crate) fn small(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// The first column of a row.
pub(crate) fn column<T: FromCell>(about: &About<'_>, mut row: Row) -> Result<T, StoreError> {
    row.take(0).map_err(|failure| about.failed(&failure))
}

/// The first two columns of a row.
pub(crate) fn two<A: FromCell, B: FromCell>(about: &About<'_>, row: Option<Row>) -> Result<(A, B), StoreError> {
    let mut row = row.ok_or_else(|| about.lost("the server answered nothing"))?;
    let mut columns = || Ok((row.take(0)?, row.take(1)?));
    columns().map_err(|failure| about.failed(&failure))
}
