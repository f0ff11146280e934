//! The repository is tidy: lines and files are short, nobody uses a retired word, and no module depends on itself
//! through others.
//!
//! Each finding tells the place, the rule and the way out. What this does not check: whether a sentence is plain. The
//! circles are found by the paths that a file names, so a method that one file calls on a type of another is not seen.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod layers;
mod lines;
mod modules;
mod repository;
mod sizes;
mod text;
mod words;

/// Fails with all findings, one a line.
#[track_caller]
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings\n{}", findings.len(), findings.join("\n"));
}
