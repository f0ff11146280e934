//! The interface as it is written in `wit/`: it parses, and every item of ours is documented and says since when it is
//! there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use coord_tests::report;
use wit_parser::{Docs, Field, Interface, PackageId, Resolve, Stability, Type, TypeDef, TypeDefKind, TypeOwner};

#[test]
fn every_item_is_documented_and_says_since_when() {
    let (resolve, package) = parsed();
    let package = &resolve.packages[package];
    let mut items = vec![item(&package.name, &package.docs, None)];
    for (name, &world) in &package.worlds {
        let world = &resolve.worlds[world];
        items.push(item(name, &world.docs, Some(&world.stability)));
    }
    for (name, &interface) in &package.interfaces {
        let interface = &resolve.interfaces[interface];
        items.push(item(name, &interface.docs, Some(&interface.stability)));
        items.extend(functions_of(name, interface));
        items.extend(types_of(&resolve, name, interface));
    }
    assert!(items.len() > 90, "the interface has only {} items", items.len());
    report(format_args!("{} items of wit/ are looked at", items.len()));
    let wrong: Vec<_> = items.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn wit() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn parsed() -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit()).unwrap();
    (resolve, package)
}

/// What is wrong with an item. A part of another item (a field, a case) is there since that is.
fn item(name: impl ToString, docs: &Docs, stability: Option<&Stability>) -> Option<String> {
    let documented = docs.contents.as_ref().is_some_and(|docs| !docs.trim().is_empty());
    let gated = stability.is_none_or(|stability| matches!(stability, Stability::Stable { .. }));
    match (documented, gated) {
        (true, true) => None,
        (false, _) => Some(format!("{} is not documented", name.to_string())),
        (true, false) => Some(format!("{} has no @since", name.to_string())),
    }
}

fn functions_of(interface_name: &str, interface: &Interface) -> Vec<Option<String>> {
    let functions = interface.functions.iter();
    functions.map(|(name, it)| item(format!("{interface_name}/{name}"), &it.docs, Some(&it.stability))).collect()
}

fn types_of(resolve: &Resolve, interface_name: &str, interface: &Interface) -> Vec<Option<String>> {
    let mut items = Vec::new();
    for (name, &id) in &interface.types {
        let (name, it) = (format!("{interface_name}/{name}"), &resolve.types[id]);
        if is_used_from_elsewhere(resolve, it) {
            items.push(matches!(it.stability, Stability::Unknown).then(|| format!("use of {name} has no @since")));
            continue;
        }
        items.push(item(&name, &it.docs, Some(&it.stability)));
        let part = |part: &str, docs: &Docs| item(format!("{name}.{part}"), docs, None);
        match &it.kind {
            TypeDefKind::Record(it) => items.extend(
                it.fields.iter().filter(|field| !explains_itself(resolve, field)).map(|it| part(&it.name, &it.docs)),
            ),
            TypeDefKind::Enum(it) => items.extend(it.cases.iter().map(|it| part(&it.name, &it.docs))),
            TypeDefKind::Variant(it) => items.extend(it.cases.iter().map(|it| part(&it.name, &it.docs))),
            TypeDefKind::Flags(it) => items.extend(it.flags.iter().map(|it| part(&it.name, &it.docs))),
            _ => {}
        }
    }
    items
}

fn is_used_from_elsewhere(resolve: &Resolve, it: &TypeDef) -> bool {
    let TypeDefKind::Type(Type::Id(original)) = it.kind else { return false };
    let original = &resolve.types[original];
    original.owner != it.owner && matches!(original.owner, TypeOwner::Interface(_))
}

/// A field needs no docs of its own if its type has a name, or if its name is explained at another place: at a field of
/// the same name, or at a case, as those of `status` that `counts` counts.
fn explains_itself(resolve: &Resolve, field: &Field) -> bool {
    named(resolve, field.ty).is_some() || explained_names(resolve).contains(field.name.as_str())
}

/// The name of a type, or of what is optional.
fn named(resolve: &Resolve, ty: Type) -> Option<&str> {
    let Type::Id(id) = ty else { return None };
    match &resolve.types[id] {
        TypeDef { name: Some(name), .. } => Some(name),
        TypeDef { kind: TypeDefKind::Option(inner), .. } => named(resolve, *inner),
        _ => None,
    }
}

fn explained_names(resolve: &Resolve) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (_, it) in &resolve.types {
        match &it.kind {
            TypeDefKind::Record(it) => {
                names.extend(it.fields.iter().filter(|it| it.docs.contents.is_some()).map(|it| it.name.as_str()));
            }
            TypeDefKind::Enum(it) => names.extend(it.cases.iter().map(|it| it.name.as_str())),
            _ => {}
        }
    }
    names
}

/// In texts that tell what was, or what was resolved, the version may stand, too.
#[test]
fn the_packages_version_stands_in_its_package_line_alone() {
    let left_out = ["CHANGELOG.md", "Cargo.lock", "package-lock.json"];
    let versioned = regex_lite::Regex::new(r#"muse:coord[^ "'`]*@[0-9]"#).unwrap();
    let root = wit().join("..");
    let files = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output().unwrap();
    assert!(files.status.success(), "{files:?}");
    let files = String::from_utf8(files.stdout).unwrap();
    let mut found = Vec::new();
    for file in files.split_terminator('\0').filter(|file| !left_out.iter().any(|it| file.ends_with(it))) {
        // A file that was removed and not committed yet is no file, and a picture is no text.
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        let lines = text.lines().filter(|line| versioned.is_match(line));
        found.extend(lines.map(|line| format!("{file}: {}", line.trim())));
    }
    let [line] = &found[..] else { panic!("not one line alone: {found:#?}") };
    assert!(line.starts_with("wit/world.wit: package muse:coord@"), "{line}");
}
