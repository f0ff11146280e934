//! Types and glue made from `wit/`: what the agent imports and what the library exports, in one world, so that both
//! sides speak of the same tasks, claims and errors.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "between",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "muse:coord/queue.lease": crate::agent::confine::Lease },
    trappable_error_type: { "muse:coord/types.error" => crate::agent::confine::Refusal },
});
