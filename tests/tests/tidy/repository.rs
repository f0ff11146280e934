//! The files of the repository that people write.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold what a tool has made, or what others wrote.
const NOT_OURS: &[&str] = &["target", "node_modules", "generated", "js/dist", "wit/deps"];

/// A file, by its path in the repository.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files with one of these extensions, in the order of their paths.
pub(super) fn files(extensions: &[&str]) -> Vec<File> {
    files_below("", extensions)
}

/// As [`files`], in one directory. Fails if there is none.
pub(super) fn files_below(dir: &str, extensions: &[&str]) -> Vec<File> {
    let (mut open, mut files) = (vec![dir.to_string()], Vec::new());
    while let Some(dir) = open.pop() {
        let entries = fs::read_dir(root().join(&dir)).unwrap_or_else(|error| panic!("there is no {dir}/: {error}"));
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
            if name.starts_with('.') || NOT_OURS.iter().any(|not| *not == name || *not == path) {
                continue;
            }
            let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => open.push(path),
                kind if kind.is_file() && extensions.contains(&extension) => {
                    let text = fs::read_to_string(entry.path()).unwrap();
                    files.push(File { path, text });
                }
                _ => {}
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}
