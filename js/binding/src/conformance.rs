//! The conformance suite of stores, on directories and engines that JavaScript makes.

use coord_core::store::conformance;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::host::{Host, HostStore};
use crate::queue::CoordQueue;

#[wasm_bindgen]
extern "C" {
    /// Makes a [`Host`] with an empty directory.
    pub type MakeHost;

    #[wasm_bindgen(method, js_name = call)]
    fn call(this: &MakeHost, of: &wasm_bindgen::JsValue) -> Host;
}

/// Runs every check, each on a host of its own; what was found wrong.
#[wasm_bindgen(js_name = conformanceFindings)]
pub fn findings(make_host: &MakeHost) -> Vec<String> {
    conformance::findings(|| HostStore(make_host.call(&wasm_bindgen::JsValue::UNDEFINED)))
}

/// How many checks there are.
#[wasm_bindgen(js_name = conformanceChecks)]
pub fn checks() -> usize {
    conformance::count()
}

/// Runs the check with this number on an empty engine; what was found wrong. It is run again as any call is.
#[wasm_bindgen(js_name = conformanceCheck)]
pub fn finding_on_engine(number: usize, queue: &CoordQueue) -> Option<String> {
    conformance::finding_on_engine(number, queue.medium())
}

/// How many checks there are for an engine.
#[wasm_bindgen(js_name = conformanceChecksOnEngine)]
pub fn checks_on_engine() -> usize {
    conformance::count_on_engine()
}
