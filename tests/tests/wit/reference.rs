//! The reference as Markdown: the interfaces in the order of reading, each item with its docs as they stand in the WIT.

use wit_parser::{Docs, Function, Handle, Interface, PackageId, Resolve, Type, TypeDef, TypeDefKind, World, WorldItem};

use crate::is_used_from_elsewhere;

/// In which order a stranger reads them.
const INTERFACES: [&str; 3] = ["types", "queue", "admin"];

/// All of a package.
pub(crate) fn of(resolve: &Resolve, package: PackageId) -> String {
    let package = &resolve.packages[package];
    assert_eq!(package.interfaces.len(), INTERFACES.len(), "an interface is not in the reference");
    let mut text = format!("## Reference of `{}`\n\n{}", package.name, docs(&package.docs));
    for &world in package.worlds.values() {
        text += &world_section(resolve, &resolve.worlds[world]);
    }
    for name in INTERFACES {
        text += &interface_section(resolve, name, &resolve.interfaces[package.interfaces[name]]);
    }
    text
}

fn world_section(resolve: &Resolve, world: &World) -> String {
    let (mut explained, mut rest) = (Vec::new(), Vec::new());
    for (key, import) in &world.imports {
        let name = code(&resolve.name_world_key(key));
        match import {
            WorldItem::Interface { docs: Docs { contents: Some(docs) }, .. } => {
                explained.push(vec![name, one_line(docs)])
            }
            _ => rest.push(name),
        }
    }
    let exports: Vec<_> = world.exports.keys().map(|key| code(&resolve.name_world_key(key))).collect();
    let mut text = format!("### World `{}`\n\n{}", world.name, docs(&world.docs));
    text += &table(&["import", ""], &explained);
    // Interfaces whose types the others use are imports as well, whether or not the world says so.
    let also = if explained.is_empty() { "Imports" } else { "Imports also" };
    text + &format!("{also}: {}. Exports: {}.\n\n", rest.join(", "), exports.join(", "))
}

fn interface_section(resolve: &Resolve, name: &str, interface: &Interface) -> String {
    let types = interface.types.values().map(|&id| &resolve.types[id]);
    let types = types.filter(|it| !is_used_from_elsewhere(resolve, it)).map(|it| (it.span, type_section(resolve, it)));
    let functions = interface.functions.values().map(|it| (it.span, function_section(resolve, it)));
    // As in the file, where a type stands before the function that needs it.
    let mut sections: Vec<_> = types.chain(functions).collect();
    sections.sort_by_key(|(span, _)| span.start());
    let sections: String = sections.into_iter().map(|(_, section)| section).collect();
    format!("### Interface `{name}`\n\n{}{sections}", docs(&interface.docs))
}

fn type_section(resolve: &Resolve, it: &TypeDef) -> String {
    let name = it.name.as_deref().unwrap_or_default();
    let (kind, rest) = match &it.kind {
        TypeDefKind::Record(it) => {
            let row = |field: &wit_parser::Field| {
                vec![code(&field.name), code(&type_name(resolve, field.ty)), doc_cell(&field.docs)]
            };
            ("record", table(&["field", "type", ""], &it.fields.iter().map(row).collect::<Vec<_>>()))
        }
        TypeDefKind::Variant(it) => {
            let carried = |ty: Option<Type>| ty.map(|ty| code(&type_name(resolve, ty))).unwrap_or_default();
            let row = |case: &wit_parser::Case| vec![code(&case.name), carried(case.ty), doc_cell(&case.docs)];
            ("variant", table(&["case", "carries", ""], &it.cases.iter().map(row).collect::<Vec<_>>()))
        }
        TypeDefKind::Enum(it) => {
            let row = |case: &wit_parser::EnumCase| vec![code(&case.name), doc_cell(&case.docs)];
            ("enum", table(&["case", ""], &it.cases.iter().map(row).collect::<Vec<_>>()))
        }
        TypeDefKind::Resource => ("resource", String::new()),
        TypeDefKind::Type(of) => {
            return format!("#### type `{name}` = `{}`\n\n{}", type_name(resolve, *of), docs(&it.docs));
        }
        other => panic!("the reference does not know how to show {name}, a {}", other.as_str()),
    };
    format!("#### {kind} `{name}`\n\n{}{rest}", docs(&it.docs))
}

fn function_section(resolve: &Resolve, it: &Function) -> String {
    let parameters = it.params.iter().filter(|param| param.name != "self");
    let parameters: Vec<_> =
        parameters.map(|param| format!("{}: {}", param.name, type_name(resolve, param.ty))).collect();
    let result = it.result.map(|ty| format!(" -> {}", type_name(resolve, ty))).unwrap_or_default();
    let signature = format!("{}: func({}){result}", it.item_name(), parameters.join(", "));
    // `[method]lease.complete` is known to people as `lease.complete`.
    let name = it.name.rsplit(']').next().unwrap_or_default();
    format!("#### `{name}`\n\n```wit\n{signature}\n```\n\n{}", docs(&it.docs))
}

fn type_name(resolve: &Resolve, ty: Type) -> String {
    let Type::Id(id) = ty else { return primitive(ty).to_string() };
    let it = &resolve.types[id];
    let name = |ty: &Type| type_name(resolve, *ty);
    match (&it.name, &it.kind) {
        (Some(name), _) => name.clone(),
        (None, TypeDefKind::Option(inner)) => format!("option<{}>", name(inner)),
        (None, TypeDefKind::List(inner)) => format!("list<{}>", name(inner)),
        (None, TypeDefKind::Tuple(it)) => {
            format!("tuple<{}>", it.types.iter().map(name).collect::<Vec<_>>().join(", "))
        }
        (None, TypeDefKind::Handle(Handle::Own(id))) => type_name(resolve, Type::Id(*id)),
        (None, TypeDefKind::Handle(Handle::Borrow(id))) => format!("borrow<{}>", type_name(resolve, Type::Id(*id))),
        (None, TypeDefKind::Result(it)) => {
            let part = |ty: &Option<Type>| ty.as_ref().map_or("_".to_string(), name);
            format!("result<{}, {}>", part(&it.ok), part(&it.err))
        }
        (None, other) => panic!("the reference does not know how to name a {}", other.as_str()),
    }
}

fn primitive(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext | Type::Id(_) => panic!("not a primitive type"),
    }
}

fn docs(docs: &Docs) -> String {
    docs.contents.as_ref().map(|docs| format!("{}\n\n", docs.trim())).unwrap_or_default()
}

fn doc_cell(docs: &Docs) -> String {
    docs.contents.as_deref().map(one_line).unwrap_or_default()
}

/// As a table's cell takes it.
fn one_line(docs: &str) -> String {
    docs.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: String = heads.iter().map(|_| "|---").collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("| {} |\n{rule}|\n{rows}\n", heads.join(" | "))
}
