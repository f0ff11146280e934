# A Worker with the package as its tarball has it, and a database that is reached by HTTP.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ( name = "worker", worker = .worker ),
    ( name = "database", external = ( http = () ) ),
  ],
);

const worker :Workerd.Worker = (
  modules = [
    ( name = "worker.mjs", esModule = embed "worker.mjs" ),
    ( name = "@muse/coord", esModule = embed "../node_modules/@muse/coord/dist/workerd.js" ),
    ( name = "@muse/muse_coord.wasm", wasm = embed "../node_modules/@muse/coord/dist/muse_coord.wasm" ),
  ],
  bindings = [
    ( name = "database", service = "database" ),
    ( name = "schema", fromEnvironment = "SCHEMA" ),
  ],
  compatibilityDate = "2026-11-01",
);
