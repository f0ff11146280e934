//! The queue by `muse-coord.wasm` in wasmtime, called by names: what a function takes and answers is read from the
//! component itself, so that a new field needs no line here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use coord_tests::required;
use serde_json::{Map, Number, Value, json};
use wasmtime::component::types::Type;
use wasmtime::component::{Component, ComponentExportIndex, Func, Instance, Linker, ResourceAny, ResourceTable, Val};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::add_to_linker_sync;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use crate::call::{Call, Outcome, Verb};
use crate::wit;

/// An instance that is granted one directory, and the leases that it gave, by task id and run id.
pub struct Library {
    store: Store<Host>,
    instance: Instance,
    leases: BTreeMap<(String, String), ResourceAny>,
}

struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

struct Compiled {
    engine: Engine,
    component: Component,
    linker: Linker<Host>,
    /// By the name of the interface, without its version.
    interfaces: BTreeMap<&'static str, ComponentExportIndex>,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let engine = Engine::default();
    let component = Component::from_file(&engine, required("MUSE_COORD_WASM")).unwrap();
    let mut linker = Linker::new(&engine);
    add_to_linker_sync(&mut linker).unwrap();
    let mut interfaces = BTreeMap::new();
    for name in ["queue", "admin"] {
        let of_ours = format!("muse:coord/{name}@");
        let of_component = component.component_type();
        let mut exports = of_component.exports(&engine);
        let (export, _) = exports.find(|(export, _)| export.starts_with(&of_ours)).unwrap();
        interfaces.insert(name, component.get_export_index(None, export).unwrap());
    }
    Compiled { engine, component, linker, interfaces }
});

/// What a function answered: a value, or an error of the interface.
type Answer = Result<Val, Val>;

impl Library {
    /// On a coordination directory.
    pub fn open(directory: &Path) -> Library {
        let Compiled { engine, component, linker, .. } = &*COMPILED;
        let mut wasi = WasiCtx::builder();
        wasi.allow_blocking_current_thread(true);
        wasi.preopened_dir(directory, directory.to_string_lossy(), FsPerms::ReadWrite).unwrap();
        let mut store = Store::new(engine, Host { wasi: wasi.build(), table: ResourceTable::new() });
        let instance = linker.instantiate(&mut store, component).unwrap();
        Library { store, instance, leases: BTreeMap::new() }
    }

    /// Makes a call.
    pub fn call(&mut self, call: &Call) -> Outcome {
        let with = wit::asked(&call.with);
        let (interface, name) = match call.verb {
            Verb::Pause | Verb::Resume | Verb::Limit | Verb::Stats | Verb::Gc => ("admin", call.verb.name()),
            _ => ("queue", call.verb.name()),
        };
        match call.verb {
            Verb::Heartbeat | Verb::Complete | Verb::Fail | Verb::Release => self.by_holder(call, &with),
            Verb::TakeUp => match self.ask(interface, "resume", None, &with) {
                Ok(lease @ Val::Resource(_)) => Ok(self.keep(&lease)),
                answer => told(answer),
            },
            Verb::Claim => match self.ask(interface, &name, None, &with) {
                Ok(Val::Option(lease)) => Ok(lease.map_or(Value::Null, |lease| self.keep(&lease))),
                answer => told(answer),
            },
            Verb::ClaimMany => match self.ask(interface, &name, None, &with) {
                Ok(Val::List(leases)) => Ok(leases.iter().map(|lease| self.keep(lease)).collect()),
                answer => told(answer),
            },
            _ => told(self.ask(interface, &name, None, &with)),
        }
    }

    /// A call of a holder: by the lease that it was given here, else by one that it takes up again.
    fn by_holder(&mut self, call: &Call, with: &Value) -> Outcome {
        let of = |name: &str| call.text(name).unwrap().to_string();
        let lease = match self.leases.get(&(of("task_id"), of("run_id"))) {
            Some(lease) => *lease,
            None => match self.ask("queue", "resume", None, with) {
                Ok(Val::Resource(lease)) => lease,
                answer => return told(answer),
            },
        };
        let name = match call.verb {
            Verb::Complete if with.get("follow_ups").is_some() => "complete_and_enqueue".to_string(),
            verb => verb.name(),
        };
        told(self.ask("queue", &name, Some(lease), with))
    }

    /// The claim that a lease is of.
    fn keep(&mut self, lease: &Val) -> Value {
        let Val::Resource(lease) = lease else { panic!("no lease: {lease:?}") };
        let mut of_lease = |name: &str| json(&self.ask("queue", name, Some(*lease), &json!({})).unwrap());
        let [record, task, late] = ["claim_record", "task", "late_results"].map(&mut of_lease);
        let of = |name: &str| record[name].as_str().unwrap().to_string();
        self.leases.insert((of("task_id"), of("claimer_run_id")), *lease);
        wit::claimed(record, task, late)
    }

    fn ask(&mut self, interface: &str, name: &str, lease: Option<ResourceAny>, with: &Value) -> Answer {
        let method = if lease.is_some() { "[method]lease." } else { "" };
        let function = self.function(interface, &format!("{method}{}", kebab(name)));
        let of_function = function.ty(&self.store);
        let mut given: Vec<Val> = lease.into_iter().map(Val::Resource).collect();
        let named = of_function.params().skip(given.len());
        given.extend(named.map(|(name, kind)| parameter(&kind, &snake(name), with)).collect::<Vec<_>>());
        let mut answer = vec![Val::Bool(false); of_function.results().len()];
        function.call(&mut self.store, &given, &mut answer).unwrap();
        let nothing = || Val::Option(None);
        match answer.pop() {
            None => Ok(nothing()),
            Some(Val::Result(Ok(value))) => Ok(value.map_or_else(nothing, |value| *value)),
            Some(Val::Result(Err(error))) => Err(*error.unwrap()),
            Some(value) => Ok(value),
        }
    }

    fn function(&mut self, interface: &str, name: &str) -> Func {
        let interface = &COMPILED.interfaces[interface];
        let index = self.instance.get_export_index(&mut self.store, Some(interface), name);
        let index = index.unwrap_or_else(|| panic!("there is no function {name}"));
        self.instance.get_func(&mut self.store, index).unwrap()
    }
}

fn told(answer: Answer) -> Outcome {
    match answer {
        Ok(value) => Ok(wit::answered(json(&value))),
        Err(Val::Variant(case, held)) => Err(wit::refused(&case, held.map_or(Value::Null, |held| json(&held)))),
        Err(other) => panic!("no error of the interface: {other:?}"),
    }
}

/// A parameter: a record is made of all arguments, anything else of that which has its name.
fn parameter(kind: &Type, name: &str, with: &Value) -> Val {
    match kind {
        Type::Record(_) => value(kind, Some(with)),
        Type::Option(inner) if matches!(inner.ty(), Type::Record(_)) => {
            let Type::Record(record) = inner.ty() else { unreachable!("it was matched") };
            let is_given = record.fields().any(|field| with.get(snake(field.name)).is_some());
            Val::Option(is_given.then(|| Box::new(value(&inner.ty(), Some(with)))))
        }
        _ => value(kind, with.get(name)),
    }
}

/// A value of the interface. What is left out is none, an empty list, false or 0.
fn value(kind: &Type, given: Option<&Value>) -> Val {
    let given = given.filter(|given| !given.is_null());
    match kind {
        Type::Bool => Val::Bool(given.is_some_and(|given| given.as_bool().unwrap())),
        Type::U32 => Val::U32(given.map_or(0, |given| u32::try_from(given.as_u64().unwrap()).unwrap())),
        Type::U64 => Val::U64(given.map_or(0, |given| given.as_u64().unwrap())),
        Type::S64 => Val::S64(given.map_or(0, |given| given.as_i64().unwrap())),
        Type::Float64 => Val::Float64(given.map_or(0.0, |given| given.as_f64().unwrap())),
        Type::String => Val::String(given.map_or_else(String::new, |given| given.as_str().unwrap().to_string())),
        Type::Enum(words) => {
            let first = || words.names().next().unwrap().to_string();
            Val::Enum(given.map_or_else(first, |given| kebab(given.as_str().unwrap())))
        }
        Type::Option(inner) => Val::Option(given.map(|given| Box::new(value(&inner.ty(), Some(given))))),
        Type::List(inner) => {
            let given = given.map(|given| given.as_array().unwrap().as_slice()).unwrap_or_default();
            Val::List(given.iter().map(|given| value(&inner.ty(), Some(given))).collect())
        }
        Type::Record(record) => {
            let field = |name: &str, kind: &Type| value(kind, given.and_then(|given| given.get(snake(name))));
            Val::Record(record.fields().map(|of| (of.name.to_string(), field(of.name, &of.ty))).collect())
        }
        other => panic!("no function takes {other:?}"),
    }
}

/// A value as JSON, its names as JSON spells them.
fn json(value: &Val) -> Value {
    match value {
        Val::Bool(value) => (*value).into(),
        Val::U32(number) => (*number).into(),
        Val::U64(number) => (*number).into(),
        Val::S64(number) => (*number).into(),
        Val::Float64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Val::String(text) => text.clone().into(),
        Val::Enum(word) => snake(word).into(),
        Val::Option(inner) => inner.as_ref().map_or(Value::Null, |inner| json(inner)),
        Val::List(values) => values.iter().map(json).collect(),
        Val::Record(fields) => {
            let fields: Map<_, _> = fields.iter().map(|(name, value)| (snake(name), json(value))).collect();
            Value::Object(fields)
        }
        other => panic!("no function answers {other:?}"),
    }
}

fn snake(name: &str) -> String {
    name.replace('-', "_")
}

fn kebab(name: &str) -> String {
    name.replace('_', "-")
}
