//! Paths in the coordination directory: a directory, and a file in one. `layout` lists them.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

/// A directory of the queue, relative to its root, with `/` between the names. The root itself is empty.
///
/// Its copies share the text: all entries of a directory point at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dir(Arc<str>);

/// A file of the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The directory that holds it.
    pub dir: Dir,
    /// Its name there.
    pub name: String,
}

impl Dir {
    /// The coordination directory.
    pub fn root() -> Dir {
        Dir(Arc::default())
    }

    /// The path's text, relative to the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory above and the name in it; `None` for the root.
    pub fn split(&self) -> Option<(Dir, &str)> {
        match self.0.rsplit_once('/') {
            Some((parent, name)) => Some((Dir(parent.into()), name)),
            None if self.0.is_empty() => None,
            None => Some((Dir::root(), &self.0)),
        }
    }

    /// A directory in this one. The name is a single component that does not come from outside unchecked.
    pub fn child(&self, name: &str) -> Dir {
        if self.0.is_empty() { Dir(name.into()) } else { Dir(format!("{}/{name}", self.0).into()) }
    }

    /// A file in this directory.
    pub fn file(&self, name: impl Into<String>) -> Path {
        Path { dir: self.clone(), name: name.into() }
    }

    /// A directory by the text that [`Dir::as_str`] gave.
    pub fn parse(text: &str) -> Dir {
        Dir(text.into())
    }

    /// True for a directory in `other`, or further down.
    pub fn is_below(&self, other: &Dir) -> bool {
        self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// True if the directory is never removed once it is there, and is one of about thirty such, so that a store may
    /// hold it open: the children of the root, and the shards of `claimed/`, which every claim and its end come to.
    pub fn is_kept(&self) -> bool {
        !self.0.contains('/') || self.0.starts_with("claimed/")
    }
}

impl Path {
    /// A file by the text that its `Display` gave.
    pub fn parse(text: &str) -> Path {
        let (dir, name) = text.rsplit_once('/').unwrap_or(("", text));
        Dir::parse(dir).file(name)
    }
}

impl core::fmt::Display for Path {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.dir.0.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.dir.0, self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_path_splits_into_what_it_was_joined_from() {
        let dir = Dir::root().child("claimed").child("ab");
        assert_eq!(dir.split(), Some((Dir::root().child("claimed"), "ab")));
        assert_eq!(Dir::root().child("tmp").split(), Some((Dir::root(), "tmp")));
        assert_eq!(Dir::root().split(), None);
        assert_eq!(dir.file("x").to_string(), "claimed/ab/x");
        for path in [dir.file("x"), Dir::root().file("x")] {
            assert_eq!(Path::parse(&path.to_string()), path);
        }
        assert_eq!(Dir::parse(dir.as_str()), dir);
    }
}
