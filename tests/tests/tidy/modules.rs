//! The modules of a crate, and which of them name which: in `use` lines, and in paths anywhere in the code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::repository::File;
use super::text::code;

/// A module names another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// As a path from the crate's root: `queue::claim`. The root is the empty path.
    pub(super) from: String,
    pub(super) to: String,
    /// The file and the line.
    pub(super) place: String,
}

/// A path in the code of a module.
struct Mention {
    segments: Vec<String>,
    line: usize,
    /// The name by which a `pub use` hands it on, if it does.
    handed_on_as: Option<String>,
}

struct Crate<'a> {
    files: BTreeMap<String, &'a File>,
    mentions: BTreeMap<String, Vec<Mention>>,
}

/// Which modules name which, of the crate whose sources are in `dir`, without their tests. A `pub use` names nothing:
/// a module that names what is handed on names the module that it comes from.
pub(super) fn edges(dir: &str, files: &[File]) -> Vec<Edge> {
    let mut this = Crate { files: BTreeMap::new(), mentions: BTreeMap::new() };
    this.files.extend(files.iter().map(|file| (module_of(dir, &file.path), file)));
    let mentions = this.files.iter().map(|(name, file)| (name.clone(), this.mentions(name, file)));
    this.mentions = mentions.collect();
    let mut edges = Vec::new();
    for (from, mentions) in &this.mentions {
        for Mention { segments, line, .. } in mentions.iter().filter(|mention| mention.handed_on_as.is_none()) {
            let to = this.resolved(from, segments, 0);
            let place = format!("{}:{line}", this.files[from].path);
            edges.extend((to != *from).then(|| Edge { from: from.clone(), to, place }));
        }
    }
    edges.dedup();
    edges
}

/// The circles, each by the edges that make it. A module is in one of them at most, so there may be more.
pub(super) fn circles(edges: &[Edge]) -> Vec<Vec<&Edge>> {
    let (mut circles, mut seen) = (Vec::new(), BTreeSet::new());
    let starts: BTreeSet<&str> = edges.iter().map(|edge| edge.from.as_str()).collect();
    for start in starts {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = shortest_circle(edges, start) {
            seen.extend(circle.iter().map(|edge| edge.from.as_str()));
            circles.push(circle);
        }
    }
    circles
}

/// The shortest way from a module back to itself.
fn shortest_circle<'a>(edges: &'a [Edge], start: &str) -> Option<Vec<&'a Edge>> {
    let mut open: VecDeque<Vec<&Edge>> =
        edges.iter().filter(|edge| edge.from == start).map(|edge| vec![edge]).collect();
    let mut reached = BTreeSet::new();
    while let Some(way) = open.pop_front() {
        let end = way[way.len() - 1].to.as_str();
        if end == start {
            return Some(way);
        }
        if reached.insert(end) {
            open.extend(edges.iter().filter(|edge| edge.from == end).map(|edge| [&way[..], &[edge]].concat()));
        }
    }
    None
}

/// The module that a file is, as a path from the crate's root.
fn module_of(dir: &str, path: &str) -> String {
    let name = path.strip_prefix(dir).unwrap_or(path).trim_start_matches('/').trim_end_matches(".rs");
    let name = name.strip_suffix("/mod").unwrap_or(name);
    if ["lib", "main"].contains(&name) { String::new() } else { name.replace('/', "::") }
}

fn joined(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_string() } else { format!("{module}::{child}") }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Crate<'_> {
    /// The paths in a module's code that begin at the crate, at the module, above it, or at a child of it.
    fn mentions(&self, module: &str, file: &File) -> Vec<Mention> {
        let code = code(&file.path, &file.text);
        let code = code.split("\n#[cfg(test)]").next().unwrap();
        let (mut mentions, mut at) = (Vec::new(), 0);
        while let Some(length) = code[at..].find("::") {
            let name = code[at..at + length].rsplit(|c| !is_name(c)).next().unwrap();
            let begin = at + length - name.len();
            let is_first = !code[..begin].ends_with([':', '.']);
            let is_ours = ["crate", "self", "super"].contains(&name) || self.files.contains_key(&joined(module, name));
            if !(is_first && is_ours) {
                at += length + 2;
                continue;
            }
            let (paths, end) = paths(&code[begin..]);
            let statement = code[..begin].rsplit([';', '{', '}']).next().unwrap().trim_start();
            let is_handed_on = statement.starts_with("pub") && statement.trim_end().ends_with("use");
            let line = code[..begin].matches('\n').count() + 1;
            mentions.extend(paths.into_iter().map(|Path { segments, name }| Mention {
                segments,
                line,
                handed_on_as: is_handed_on.then_some(name),
            }));
            at = begin + end;
        }
        mentions
    }

    /// The module that a path in `module` leads to.
    fn resolved(&self, module: &str, path: &[String], depth: usize) -> String {
        let mut here = module.to_string();
        for (at, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "crate" => here = String::new(),
                "self" => {}
                "super" => here = here.rsplit_once("::").map_or(String::new(), |(above, _)| above.to_string()),
                name if self.files.contains_key(&joined(&here, name)) => here = joined(&here, name),
                name => {
                    let handed_on = |mention: &&Mention| mention.handed_on_as.as_deref() == Some(name);
                    let source = self.mentions.get(&here).and_then(|mentions| mentions.iter().find(handed_on));
                    return match source {
                        // A name that is handed on in a circle does not compile.
                        Some(mention) if depth < 9 => {
                            let path = [&mention.segments[..], &path[at + 1..]].concat();
                            self.resolved(&here, &path, depth + 1)
                        }
                        _ => here,
                    };
                }
            }
        }
        here
    }
}

/// A path, and the name that it has where it is used.
struct Path {
    segments: Vec<String>,
    name: String,
}

/// The paths that begin the code, and where they end: one, or those of a tree in braces.
fn paths(code: &str) -> (Vec<Path>, usize) {
    let (mut segments, mut at) = (Vec::<String>::new(), 0);
    let blank = |at: usize| code[at..].len() - code[at..].trim_start().len();
    loop {
        at += blank(at);
        if code[at..].starts_with('{') {
            let mut all = Vec::new();
            at += 1;
            loop {
                at += blank(at);
                if code[at..].starts_with(',') {
                    at += 1;
                } else if code[at..].starts_with('}') || at == code.len() {
                    return (all, (at + 1).min(code.len()));
                } else {
                    let (below, length) = paths(&code[at..]);
                    all.extend(below.into_iter().map(|path| {
                        let segments = [&segments[..], &path.segments[..]].concat();
                        Path { name: path.name, segments }
                    }));
                    at += length.max(1);
                }
            }
        }
        let length = code[at..].find(|c| !is_name(c)).unwrap_or(code[at..].len());
        segments.extend((length > 0).then(|| code[at..at + length].to_string()));
        at += length;
        if !code[at..].starts_with("::") {
            break;
        }
        at += 2;
    }
    let mut name = segments.last().cloned().unwrap_or_default();
    if let Some(renamed) = code[at..].strip_prefix(" as ") {
        name = renamed.chars().take_while(|c| is_name(*c)).collect();
        at += " as ".len() + name.len();
    }
    (vec![Path { segments, name }], at)
}

#[cfg(test)]
mod tests {
    use super::{circles, edges};
    use crate::repository::File;

    fn named(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| File { path: format!("src/{path}"), text: text.to_string() };
        let edges = edges("src", &files.iter().map(file).collect::<Vec<_>>());
        edges.iter().map(|edge| format!("{} {} {}", edge.place, edge.from, edge.to)).collect()
    }

    #[test]
    fn a_path_leads_to_a_module() {
        let one = "use crate::{a::X, b::{self, c::Y as Z}};\n\nfn f() { super::b::g() }";
        let files = [("one.rs", one), ("a.rs", ""), ("b.rs", "mod c;"), ("b/c.rs", "use super::Q;")];
        assert_eq!(
            named(&files),
            [
                "src/b/c.rs:1 b::c b",
                "src/one.rs:1 one a",
                "src/one.rs:1 one b",
                "src/one.rs:1 one b::c",
                "src/one.rs:3 one b"
            ]
        );
    }

    #[test]
    fn what_is_handed_on_is_of_the_module_that_it_comes_from() {
        let files = [("lib.rs", "pub use a::X;\nmod a; mod b;"), ("a.rs", ""), ("b.rs", "use crate::X;")];
        assert_eq!(named(&files), ["src/b.rs:1 b a"]);
    }

    #[test]
    fn neither_comments_nor_texts_nor_tests_name_a_module() {
        let one = "// crate::a\nconst T: &str = \"crate::a\";\n#[cfg(test)]\nmod tests { use crate::a; }";
        assert_eq!(named(&[("one.rs", one), ("a.rs", "")]), Vec::<String>::new());
    }

    #[test]
    fn a_circle_is_found_and_a_tree_is_none() {
        let file = |path: &str, text: &str| File { path: format!("src/{path}.rs"), text: text.to_string() };
        let tree = [file("a", "use crate::b::X; use crate::c::Y;"), file("b", "use crate::c::Y;"), file("c", "")];
        assert!(circles(&edges("src", &tree)).is_empty());
        let circle =
            [file("a", "use crate::b::X;"), file("b", "use crate::c::Y;"), file("c", "fn f() { crate::a::g() }")];
        let edges = edges("src", &circle);
        let circles = circles(&edges);
        assert_eq!(circles.len(), 1);
        assert_eq!(circles[0].len(), 3);
    }
}
