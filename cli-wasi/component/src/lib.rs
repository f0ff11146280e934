//! The queue as a library component: `muse-coord.wasm`, the world `coord` of `wit/`; with the feature `engine`
//! `muse-coord-store.wasm`, the world `coord-on-store`; with the feature `sql` `muse-coord-sql.wasm`, the world
//! `coord-on-sql`.
//!
//! This crate only translates. What a function of `wit/queue.wit` means is done by [`coord_core::Queue`] on the one
//! granted directory, on the host's engine, or on the server that the host asks (`medium.rs`); here values are
//! converted (`convert.rs`), and the queue is kept open between calls (`instance.rs`).
//!
//! It is built for `wasm32-unknown-unknown`, where `std` asks its host for nothing, and made a component by `xtask`. On
//! `wasm32-wasip2` it would import an environment, standard streams and an exit. So the imports are those of the world,
//! and a host can tell from them what the component can do.

#![cfg(target_family = "wasm")]

mod admin;
mod convert;
mod instance;
mod medium;
mod queue;

/// Makes the bindings of a world whose queue is on an engine.
#[cfg(any(feature = "engine", feature = "sql"))]
macro_rules! bindings_on_an_engine {
    ($world:tt) => {
        /// Types and glue made from `wit/`.
        #[expect(unsafe_code, reason = "generated: see wit/ for the docs")]
        mod bindings {
            wit_bindgen::generate!({
                world: $world,
                export_macro_name: "export_coord",
                path: "../../wit",
                with: {
                    "wasi:clocks/monotonic-clock@0.2.12": wasip2::clocks::monotonic_clock,
                    "wasi:io/poll@0.2.12": wasip2::io::poll,
                    "wasi:random/random@0.2.12": wasip2::random::random,
                },
            });

            use super::Coord;
            export_coord!(Coord with_types_in self);
        }
    };
}

#[cfg(feature = "engine")]
bindings_on_an_engine!("coord-on-store");
#[cfg(all(feature = "sql", not(feature = "engine")))]
bindings_on_an_engine!("coord-on-sql");

/// Types and glue made from `wit/`.
#[cfg(not(any(feature = "engine", feature = "sql")))]
#[expect(unsafe_code, reason = "generated: see wit/ for the docs")]
mod bindings {
    wit_bindgen::generate!({
        world: "coord",
        export_macro_name: "export_coord",
        path: "../../wit",
        with: {
            "wasi:clocks/monotonic-clock@0.2.12": wasip2::clocks::monotonic_clock,
            "wasi:clocks/wall-clock@0.2.12": wasip2::clocks::wall_clock,
            "wasi:filesystem/preopens@0.2.12": wasip2::filesystem::preopens,
            "wasi:filesystem/types@0.2.12": wasip2::filesystem::types,
            "wasi:io/error@0.2.12": wasip2::io::error,
            "wasi:io/poll@0.2.12": wasip2::io::poll,
            "wasi:io/streams@0.2.12": wasip2::io::streams,
            "wasi:random/random@0.2.12": wasip2::random::random,
        },
    });

    use super::Coord;
    export_coord!(Coord with_types_in self);
}

/// What the exported functions hang on.
struct Coord;
