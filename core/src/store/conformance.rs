//! The contract of every [`Store`], as a test suite that runs anywhere a store does: natively, in memory, inside a
//! sandbox.
//!
//! A check is a function that is given an empty store and answers what it found wrong. It prints nothing and panics
//! nowhere, so the same suite runs under a test harness and in a component that has none. What one caller alone cannot
//! see (exclusion between processes, listings under churn) is tested with real processes, in `tests`.

mod engines;

pub use engines::{count_on_engine, finding_on_engine};

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Store, StoreError};
use crate::path::{Dir, Path};

/// Runs every check on a store of its own, and tells the name of each that failed and why.
pub fn findings<S: Store>(mut empty_store: impl FnMut() -> S) -> Vec<String> {
    let first = empty_store();
    let is_whole = first.fused().is_some();
    let mut first = Some(first);
    let checks = checks::<S>().into_iter().filter(|(name, _)| is_for(is_whole, name));
    checks.filter_map(|(name, check)| finding(name, check, &first.take().unwrap_or_else(&mut empty_store))).collect()
}

fn is_for(is_whole: bool, name: &str) -> bool {
    if is_whole { !engines::OF_DIRECTORIES.contains(&name) } else { !engines::OF_ENGINES.contains(&name) }
}

fn finding<S: Store>(name: &str, check: Check<S>, store: &S) -> Option<String> {
    Some(match check(store).err()? {
        Finding::Wrong(what) => format!("{name}: {what}"),
        Finding::Failed(error) => format!("{name}: {error}"),
    })
}

/// How many checks there are for a directory.
pub fn count() -> usize {
    checks::<super::mem::MemStore>().len() - engines::OF_ENGINES.len()
}

type Check<S> = fn(&S) -> Result<(), Finding>;

fn checks<S: Store>() -> Vec<(&'static str, Check<S>)> {
    Vec::from([
        ("create_makes_a_whole_file_once", create_makes_a_whole_file_once as Check<S>),
        ("create_needs_its_directory", create_needs_its_directory),
        ("create_all_tells_of_each_file", create_all_tells_of_each_file),
        ("read_is_cut_at_its_limit", read_is_cut_at_its_limit),
        ("large_content_comes_back_whole", large_content_comes_back_whole),
        ("append_adds_to_every_name_of_a_file", append_adds_to_every_name_of_a_file),
        ("append_makes_no_file", append_makes_no_file),
        ("append_keeps_to_its_limit", append_keeps_to_its_limit),
        ("a_long_line_is_added_whole", a_long_line_is_added_whole),
        ("a_first_line_ends_with_its_end", a_first_line_ends_with_its_end),
        ("link_shares_the_content_and_never_replaces", link_shares_the_content_and_never_replaces),
        ("link_needs_both_ends", link_needs_both_ends),
        ("links_are_counted", links_are_counted),
        ("rename_moves_once", rename_moves_once),
        ("rename_needs_both_ends", rename_needs_both_ends),
        ("rename_keeps_other_links", rename_keeps_other_links),
        ("list_tells_every_name_once", list_tells_every_name_once),
        ("a_stamp_tells_of_changes", a_stamp_tells_of_changes),
        ("remove_takes_one_name", remove_takes_one_name),
        ("directories_are_made_one_by_one", directories_are_made_one_by_one),
        ("only_an_empty_directory_is_removed", only_an_empty_directory_is_removed),
        ("a_directory_comes_back_after_its_removal", a_directory_comes_back_after_its_removal),
        ("sync_of_a_directory_succeeds", sync_of_a_directory_succeeds),
        ("a_flush_goes_by_the_present_name", a_flush_goes_by_the_present_name),
        ("the_longest_name_is_a_name", the_longest_name_is_a_name),
        ("directories_are_there", engines::directories_are_there),
        ("looks_answer_as_calls_do", engines::looks_answer_as_calls_do),
        ("a_step_is_whole", engines::a_step_is_whole),
    ])
}

enum Finding {
    Wrong(String),
    Failed(StoreError),
}

impl From<StoreError> for Finding {
    fn from(error: StoreError) -> Finding {
        Finding::Failed(error)
    }
}

fn expect<T: PartialEq + core::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), Finding> {
    if found == wanted { Ok(()) } else { Err(Finding::Wrong(format!("{what}: {found:?} instead of {wanted:?}"))) }
}

fn dir(name: &str) -> Dir {
    Dir::root().child(name)
}

/// A directory that stores may hold open, and one that they may not, each with a file `a` in it.
fn two_dirs<S: Store>(store: &S) -> Result<[Dir; 2], Finding> {
    let dirs = [dir("claimed"), dir("ready").child("q")];
    let made = if store.fused().is_some() { Made::Taken } else { Made::Now };
    expect("make claimed", store.make_dir(&dirs[0])?, made)?;
    expect("make ready", store.make_dir(&dir("ready"))?, made)?;
    expect("make ready/q", store.make_dir(&dirs[1])?, made)?;
    for dir in &dirs {
        expect("create a", store.create(&dir.file("a"), dir.as_str().as_bytes())?, Created::Now)?;
    }
    Ok(dirs)
}

fn content<S: Store>(store: &S, path: &Path) -> Result<Option<String>, Finding> {
    Ok(store.read(path, 1 << 20)?.map(|bytes| String::from_utf8_lossy(&bytes).to_string()))
}

fn names<S: Store>(store: &S, dir: &Dir) -> Result<Option<Vec<String>>, Finding> {
    let mut names = store.list(dir)?;
    names.iter_mut().for_each(|names| names.sort());
    Ok(names)
}

fn create_makes_a_whole_file_once<S: Store>(store: &S) -> Result<(), Finding> {
    let path = Dir::root().file("a");
    expect("before", content(store, &path)?, None)?;
    expect("exists before", store.exists(&path)?, false)?;
    expect("first", store.create(&path, b"one")?, Created::Now)?;
    expect("second", store.create(&path, b"two")?, Created::Taken)?;
    expect("after", content(store, &path)?, Some("one".to_string()))?;
    expect("exists after", store.exists(&path)?, true)?;
    expect("empty", store.create(&Dir::root().file("b"), b"")?, Created::Now)?;
    expect("empty read", content(store, &Dir::root().file("b"))?, Some(String::new()))
}

fn create_needs_its_directory<S: Store>(store: &S) -> Result<(), Finding> {
    expect("create", store.create(&dir("tmp").file("a"), b"x")?, Created::NoDir)?;
    expect("create deep", store.create(&dir("ready").child("q").file("a"), b"x")?, Created::NoDir)?;
    expect("exists", store.exists(&dir("tmp").file("a"))?, false)?;
    expect("read", content(store, &dir("ready").child("q").file("a"))?, None)
}

fn create_all_tells_of_each_file<S: Store>(store: &S) -> Result<(), Finding> {
    let dirs = two_dirs(store)?;
    // So many that a store which knows a quicker way takes it.
    let mut paths: Vec<Path> = (0..100).flat_map(|n| dirs.each_ref().map(|dir| dir.file(format!("f{n}")))).collect();
    paths.extend([dirs[0].file("a".to_string()), dir("nowhere").file("f".to_string())]);
    let file = |path: Path| (path.clone(), path.name.into_bytes());
    let files: Vec<(Path, Vec<u8>)> = paths.into_iter().map(file).collect();
    let mut wanted = alloc::vec![Created::Now; 200];
    wanted.extend([Created::Taken, Created::NoDir]);
    expect("create all", store.create_all(&files)?, wanted)?;
    for (path, content) in files.iter().take(200) {
        expect("read", store.read(path, 100)?, Some(content.clone()))?;
    }
    expect("create none", store.create_all(&[])?, Vec::new())
}

fn read_is_cut_at_its_limit<S: Store>(store: &S) -> Result<(), Finding> {
    let path = Dir::root().file("a");
    expect("create", store.create(&path, b"abcdef")?, Created::Now)?;
    for (max, wanted) in [(0, ""), (1, "a"), (6, "abcdef"), (7, "abcdef")] {
        expect("read", store.read(&path, max)?, Some(wanted.as_bytes().to_vec()))?;
    }
    Ok(())
}

fn large_content_comes_back_whole<S: Store>(store: &S) -> Result<(), Finding> {
    let path = Dir::root().file("a");
    let large: Vec<u8> = (0..crate::limits::RECORD_BYTES).map(|i| (i % 251) as u8).collect();
    expect("create", store.create(&path, &large)?, Created::Now)?;
    expect("read", store.read(&path, crate::limits::RECORD_BYTES)? == Some(large), true)
}

fn append_adds_to_every_name_of_a_file<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("link", store.link(&claimed.file("a"), &ready.file("b"))?, Linked::Now)?;
    let stamp = store.stamp(&ready)?;
    expect("append", store.append(&ready.file("b"), b"\none", 100)?, Appended::Now(2))?;
    expect("append by the other name", store.append(&claimed.file("a"), b"\ntwo", 100)?, Appended::Now(2))?;
    expect("append nothing", store.append(&claimed.file("a"), b"", 100)?, Appended::Now(2))?;
    expect("stamp", store.stamp(&ready)?, stamp)?;
    expect("rename", store.rename(&ready.file("b"), &claimed.file("c"))?, Moved::Here)?;
    expect("append by the old name", store.append(&ready.file("b"), b"lost", 100)?, Appended::Gone)?;
    for name in ["a", "c"] {
        expect("read", content(store, &claimed.file(name))?, Some("claimed\none\ntwo".to_string()))?;
    }
    expect("links", store.links(&claimed.file("a"))?, Some(2))?;
    expect("the other file", content(store, &ready.file("a"))?, Some("ready/q".to_string()))
}

fn append_makes_no_file<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, _] = two_dirs(store)?;
    for path in [claimed.file("b"), dir("nowhere").file("a"), dir("ready").child("none").file("a")] {
        expect("append", store.append(&path, b"x", 100)?, Appended::Gone)?;
        expect("exists", store.exists(&path)?, false)?;
    }
    Ok(())
}

fn append_keeps_to_its_limit<S: Store>(store: &S) -> Result<(), Finding> {
    let path = Dir::root().file("a");
    expect("create", store.create(&path, b"12345")?, Created::Now)?;
    expect("too much", store.append(&path, b"6789", 8)?, Appended::Full)?;
    expect("just as much", store.append(&path, b"678", 8)?, Appended::Now(1))?;
    expect("one more", store.append(&path, b"9", 8)?, Appended::Full)?;
    expect("read", content(store, &path)?, Some("12345678".to_string()))
}

/// Longer than what a host takes at once.
fn a_long_line_is_added_whole<S: Store>(store: &S) -> Result<(), Finding> {
    let path = Dir::root().file("a");
    let line: Vec<u8> = (0..200_000u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    expect("create", store.create(&path, b"first\n")?, Created::Now)?;
    expect("append", store.append(&path, &line, 1 << 20)?, Appended::Now(1))?;
    expect("append again", store.append(&path, b"last", 1 << 20)?, Appended::Now(1))?;
    let whole = [b"first\n", line.as_slice(), b"last"].concat();
    expect("read", store.read(&path, 1 << 20)? == Some(whole), true)
}

fn a_first_line_ends_with_its_end<S: Store>(store: &S) -> Result<(), Finding> {
    let line = |path: &Path, max| Ok::<_, Finding>(store.first_line(path, max)?);
    let (path, long) = (Dir::root().file("a"), "x".repeat(20_000) + "\n");
    expect("none", line(&path, 10)?, None)?;
    expect("create", store.create(&path, b"one\ntwo\n")?, Created::Now)?;
    for (max, wanted) in [(0, ""), (2, "on"), (4, "one\n"), (100, "one\n")] {
        expect("read", line(&path, max)?, Some(wanted.as_bytes().to_vec()))?;
    }
    let path = Dir::root().file("b");
    expect("create", store.create(&path, (long.clone() + "two").as_bytes())?, Created::Now)?;
    expect("long", line(&path, 1 << 20)? == Some(long.into_bytes()), true)?;
    let path = Dir::root().file("c");
    expect("create", store.create(&path, b"no end")?, Created::Now)?;
    expect("without an end", line(&path, 100)?, Some(b"no end".to_vec()))
}

fn link_shares_the_content_and_never_replaces<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("link", store.link(&claimed.file("a"), &ready.file("b"))?, Linked::Now)?;
    expect("content", content(store, &ready.file("b"))?, Some("claimed".to_string()))?;
    expect("onto another", store.link(&claimed.file("a"), &ready.file("a"))?, Linked::Taken)?;
    expect("kept", content(store, &ready.file("a"))?, Some("ready/q".to_string()))?;
    expect("again", store.link(&claimed.file("a"), &ready.file("b"))?, Linked::Taken)?;
    expect("source", content(store, &claimed.file("a"))?, Some("claimed".to_string()))
}

fn link_needs_both_ends<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("no source", store.link(&claimed.file("none"), &ready.file("b"))?, Linked::Gone)?;
    expect("no directory", store.link(&claimed.file("a"), &ready.child("no").file("b"))?, Linked::Gone)?;
    expect("no kept directory", store.link(&claimed.file("a"), &dir("done").file("b"))?, Linked::Gone)
}

fn links_are_counted<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("none", store.links(&ready.file("none"))?, None)?;
    expect("no directory", store.links(&ready.child("no").file("a"))?, None)?;
    expect("alone", store.links(&claimed.file("a"))?, Some(1))?;
    expect("link", store.link(&claimed.file("a"), &ready.file("b"))?, Linked::Now)?;
    expect("two", [store.links(&claimed.file("a"))?, store.links(&ready.file("b"))?], [Some(2); 2])?;
    expect("rename", store.rename(&ready.file("b"), &claimed.file("c"))?, Moved::Here)?;
    expect("still two", store.links(&claimed.file("a"))?, Some(2))?;
    expect("remove", store.remove(&claimed.file("a"))?, Removed::Now)?;
    expect("one left", store.links(&claimed.file("c"))?, Some(1))
}

fn rename_moves_once<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("first", store.rename(&ready.file("a"), &claimed.file("b"))?, Moved::Here)?;
    expect("second", store.rename(&ready.file("a"), &claimed.file("c"))?, Moved::Gone)?;
    expect("source", names(store, &ready)?.unwrap_or_default(), Vec::new())?;
    expect("target", names(store, &claimed)?, Some(Vec::from(["a".to_string(), "b".to_string()])))?;
    expect("content", content(store, &claimed.file("b"))?, Some("ready/q".to_string()))?;
    expect("within", store.rename(&claimed.file("b"), &claimed.file("d"))?, Moved::Here)?;
    expect("and back", store.rename(&claimed.file("d"), &ready.file("e"))?, Moved::Here)
}

fn rename_needs_both_ends<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("no source directory", store.rename(&ready.child("no").file("a"), &claimed.file("b"))?, Moved::Gone)?;
    expect("no target directory", store.rename(&claimed.file("a"), &ready.child("no").file("a"))?, Moved::Gone)?;
    expect("no kept target", store.rename(&ready.file("a"), &dir("done").file("a"))?, Moved::Gone)?;
    expect("still here", store.exists(&claimed.file("a"))? && store.exists(&ready.file("a"))?, true)
}

fn rename_keeps_other_links<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("link", store.link(&claimed.file("a"), &ready.file("b"))?, Linked::Now)?;
    expect("rename", store.rename(&ready.file("b"), &ready.file("c"))?, Moved::Here)?;
    expect("first link", content(store, &claimed.file("a"))?, Some("claimed".to_string()))?;
    expect("second link", content(store, &ready.file("c"))?, Some("claimed".to_string()))
}

fn list_tells_every_name_once<S: Store>(store: &S) -> Result<(), Finding> {
    expect("no directory", names(store, &dir("done").child("c6"))?, None)?;
    expect("no deep directory", names(store, &dir("ready").child("q"))?, None)?;
    expect("empty root", names(store, &Dir::root())?, Some(Vec::new()))?;
    let [claimed, ready] = two_dirs(store)?;
    expect("root", names(store, &Dir::root())?, Some(Vec::from(["claimed".to_string(), "ready".to_string()])))?;
    expect("deep", names(store, &ready)?, Some(Vec::from(["a".to_string()])))?;
    let mut wanted: Vec<String> = (0..300).map(|i| format!("n{i:03}")).collect();
    for name in &wanted {
        expect("create", store.create(&claimed.file(name.as_str()), b"")?, Created::Now)?;
    }
    wanted.insert(0, "a".to_string());
    expect("many", names(store, &claimed)?, Some(wanted))
}

/// Changes are made until the stamp is another, since those in quick succession may share one.
fn a_stamp_tells_of_changes<S: Store>(store: &S) -> Result<(), Finding> {
    const PATIENCE: usize = 100_000;
    expect("no directory", store.stamp(&dir("done"))?, None)?;
    let dirs = two_dirs(store)?;
    for dir in &dirs {
        let before = store.stamp(dir)?;
        expect("unchanged", store.stamp(dir)?, before)?;
        let mut name = "a".to_string();
        for i in 0..PATIENCE {
            let next = format!("a{i}");
            expect("rename", store.rename(&dir.file(name), &dir.file(next.as_str()))?, Moved::Here)?;
            if store.stamp(dir)? != before {
                break;
            }
            name = next;
        }
        expect("changed", store.stamp(dir)? != before, true)?;
    }
    Ok(())
}

fn remove_takes_one_name<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("link", store.link(&claimed.file("a"), &ready.file("b"))?, Linked::Now)?;
    expect("first", store.remove(&claimed.file("a"))?, Removed::Now)?;
    expect("second", store.remove(&claimed.file("a"))?, Removed::Gone)?;
    expect("no directory", store.remove(&ready.child("no").file("a"))?, Removed::Gone)?;
    expect("other link", content(store, &ready.file("b"))?, Some("claimed".to_string()))
}

fn directories_are_made_one_by_one<S: Store>(store: &S) -> Result<(), Finding> {
    let deep = dir("ready").child("q").child("p");
    expect("no parent", store.make_dir(&deep)?, Made::NoParent)?;
    expect("first", store.make_dir(&dir("ready"))?, Made::Now)?;
    expect("again", store.make_dir(&dir("ready"))?, Made::Taken)?;
    expect("second", store.make_dir(&dir("ready").child("q"))?, Made::Now)?;
    expect("third", store.make_dir(&deep)?, Made::Now)?;
    expect("deep file", store.create(&deep.file("a"), b"x")?, Created::Now)?;
    expect("listed", names(store, &dir("ready").child("q"))?, Some(Vec::from(["p".to_string()])))
}

fn only_an_empty_directory_is_removed<S: Store>(store: &S) -> Result<(), Finding> {
    let [_, ready] = two_dirs(store)?;
    expect("with a file", store.remove_dir(&ready)?, DirRemoved::NotEmpty)?;
    expect("with a directory", store.remove_dir(&dir("ready"))?, DirRemoved::NotEmpty)?;
    expect("file kept", store.exists(&ready.file("a"))?, true)?;
    expect("remove file", store.remove(&ready.file("a"))?, Removed::Now)?;
    expect("empty", store.remove_dir(&ready)?, DirRemoved::Now)?;
    expect("again", store.remove_dir(&ready)?, DirRemoved::Gone)?;
    expect("listing", names(store, &ready)?, None)
}

fn a_directory_comes_back_after_its_removal<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    expect("list", names(store, &ready)?, Some(Vec::from(["a".to_string()])))?;
    expect("move out", store.rename(&ready.file("a"), &claimed.file("b"))?, Moved::Here)?;
    expect("remove", store.remove_dir(&ready)?, DirRemoved::Now)?;
    expect("into nothing", store.rename(&claimed.file("b"), &ready.file("b"))?, Moved::Gone)?;
    expect("make", store.make_dir(&ready)?, Made::Now)?;
    expect("move back", store.rename(&claimed.file("b"), &ready.file("c"))?, Moved::Here)?;
    expect("list again", names(store, &ready)?, Some(Vec::from(["c".to_string()])))
}

fn sync_of_a_directory_succeeds<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, ready] = two_dirs(store)?;
    store.sync_dir(&Dir::root())?;
    store.sync_dir(&claimed)?;
    store.sync_dir(&ready)?;
    store.sync_dir(&ready.child("no"))?;
    Ok(())
}

fn a_flush_goes_by_the_present_name<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, _] = two_dirs(store)?;
    expect("create", store.create_unflushed(&claimed.file("b"), b"b")?, Created::Now)?;
    expect("create again", store.create_unflushed(&claimed.file("b"), b"c")?, Created::Taken)?;
    expect("flush", store.flush(&claimed.file("b"))?, Flushed::Now)?;
    expect("rename", store.rename(&claimed.file("b"), &claimed.file("c"))?, Moved::Here)?;
    // Where nothing is to be durable nobody looks.
    store.flush(&claimed.file("b"))?;
    expect("flush by the new name", store.flush(&claimed.file("c"))?, Flushed::Now)?;
    store.flush(&dir("nowhere").file("c"))?;
    expect("read", content(store, &claimed.file("c"))?, Some("b".to_string()))
}

fn the_longest_name_is_a_name<S: Store>(store: &S) -> Result<(), Finding> {
    let [claimed, _] = two_dirs(store)?;
    let long = claimed.file("n".repeat(crate::limits::NAME_BYTES));
    expect("rename", store.rename(&claimed.file("a"), &long)?, Moved::Here)?;
    expect("exists", store.exists(&long)?, true)?;
    expect("list", names(store, &claimed)?, Some(Vec::from([long.name])))
}
