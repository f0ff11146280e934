//! Types and glue made from `wit/`: what the agent imports and what the library exports, in one world, so that both
//! sides speak of the same tasks, claims and errors.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package muse:between;

        world between {
            import muse:coord/queue@0.1.0;
            export muse:coord/queue@0.1.0;
            export muse:coord/admin@0.1.0;
        }
    ",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "muse:coord/queue.lease": crate::confine::Lease },
    trappable_error_type: { "muse:coord/types.error" => crate::confine::Refusal },
});
