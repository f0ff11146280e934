//! What a component imports and exports, read from the component itself, without understanding what is inside.

use wasmparser::{BinaryReaderError, Parser, Payload};

use crate::agent::sandbox;

/// The interface that a runtime calls.
const RUN: &str = "wasi:cli/run@0.2.";

/// How many names are told, and how much of each.
const NAMES_TOLD: usize = 10;
const NAME_CHARS: usize = 100;

/// The names by which a component meets the world.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names<'a> {
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
}

/// The names of a component. What is nested in it is passed over.
pub(super) fn of(component: &[u8]) -> Result<Names<'_>, BinaryReaderError> {
    let mut names = Names::default();
    let mut depth: usize = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export?.name.name);
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

impl Names<'_> {
    /// What is imported that agents are not given, with versions: the first few, each cut off where it is too long to
    /// be a name.
    pub(super) fn not_granted(&self) -> Vec<String> {
        let shortened = |name: &&str| name.chars().take(NAME_CHARS).collect();
        self.imports.iter().filter(|name| !sandbox::is_granted(name)).take(NAMES_TOLD).map(shortened).collect()
    }

    /// True if there is something to run.
    pub(super) fn can_be_run(&self) -> bool {
        self.exports.iter().any(|name| name.starts_with(RUN))
    }
}
