//! `claim --max-bytes`: what of a claim there is room for, and what is left out, counted and named.

use std::fmt;

use coord_core::name::{RunId, Title};
use muse_terminal::sanitised_json;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim::{Handed, LateResult, Mine, Truncated};
use crate::output::ENVELOPE_BYTES;

/// A claim and its warnings, within a bound.
pub(super) struct Bounded {
    pub(super) mine: Mine,
    pub(super) warnings: Vec<String>,
}

/// What of a claim may be left out.
pub(super) struct Parts<'a> {
    pub(super) task: &'a mut Handed,
    pub(super) late_results: &'a mut Vec<LateResult>,
    pub(super) left_out: &'a mut Vec<LeftOut>,
}

/// A field that is left out, or cut.
#[derive(Serialize, JsonSchema)]
pub(super) struct LeftOut {
    /// Its name.
    pub(super) field: &'static str,
    /// How many bytes of it as JSON are left out.
    bytes: usize,
    /// Of a list: how many of its elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
}

/// How much of a title, and of a run id, is always there, in bytes as JSON.
const START_BYTES: usize = 128;

/// Room for the warnings that tell what is left out.
const WARNING_BYTES: usize = 384;

impl Bounded {
    /// As much of the claim as has room in an answer of `max` bytes: first the payload, then what it takes to know the
    /// task, then the results that came too late, newest first, then warnings of other things. What its holder cannot
    /// do without is there however small the room is.
    pub(super) fn new(mut mine: Mine, warnings: Vec<String>, max: usize) -> Bounded {
        let envelope = ENVELOPE_BYTES + bytes_of(&warnings);
        if envelope + bytes_of(&mine) <= max {
            return Bounded { mine, warnings };
        }
        let parts = TakenOut::of(mine.parts());
        let fixed = ENVELOPE_BYTES + WARNING_BYTES + bytes_of(&mine);
        let mut room = Room(max.saturating_sub(fixed));
        parts.put_back(mine.parts(), &mut room);
        let parts: Vec<String> = mine.parts().left_out.iter().map(LeftOut::to_string).collect();
        let id = &mine.parts().task.task.task_id;
        let told = format!("--max-bytes {max} leaves out {}: `muse coord show {id}` prints all", parts.join(", "));
        let told = (!parts.is_empty()).then_some(told);
        let (fit, rest): (Vec<_>, Vec<_>) = warnings.into_iter().partition(|warning| room.takes(bytes_of(warning) + 1));
        let more =
            (!rest.is_empty()).then(|| format!("{} more warning(s): `muse coord doctor` tells them", rest.len()));
        Bounded { mine, warnings: told.into_iter().chain(fit).chain(more).collect() }
    }
}

/// What was taken out of a claim, to be put back as far as there is room.
struct TakenOut {
    whole: super::enqueue::TaskRecord,
    late_results: Vec<LateResult>,
}

/// How many bytes are left.
struct Room(usize);

impl Room {
    fn takes(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        self.0 -= if fits { bytes } else { 0 };
        fits
    }
}

impl TakenOut {
    /// Takes all out, and notes each part as left out.
    fn of(Parts { task: Handed { task, truncated }, late_results, left_out }: Parts<'_>) -> TakenOut {
        let whole = task.clone();
        let payload = task.payload.take();
        if let Some(payload) = payload.filter(|payload| !payload.is_empty()) {
            let bytes = bytes_of(&payload);
            *truncated = Some(Truncated { payload_truncated: true, payload_bytes: bytes });
            left_out.push(LeftOut { field: "payload", bytes, count: None });
        }
        if let Some(title) = cut(whole.title.as_str()) {
            left_out.push(LeftOut { field: "title", bytes: bytes_of(&whole.title) - bytes_of(&title), count: None });
            task.title = title.parse::<Title>().unwrap_or_else(|_| whole.title.clone());
        }
        if let Some(run_id) = cut(whole.created_by.as_str()) {
            let bytes = bytes_of(&whole.created_by) - bytes_of(&run_id);
            left_out.push(LeftOut { field: "created_by", bytes, count: None });
            task.created_by = run_id.parse::<RunId>().unwrap_or_else(|_| whole.created_by.clone());
        }
        if let Some(unique) = task.unique.take() {
            left_out.push(LeftOut { field: "unique", bytes: bytes_of(&unique), count: None });
        }
        for (field, bytes, count) in [
            ("tags", bytes_of(&task.tags), task.tags.len()),
            ("after", bytes_of(&task.after), task.after.len()),
            ("late_results", bytes_of(late_results), late_results.len()),
        ] {
            left_out.extend((count > 0).then_some(LeftOut { field, bytes, count: Some(count) }));
        }
        task.tags.clear();
        task.after.clear();
        TakenOut { whole, late_results: std::mem::take(late_results) }
    }

    fn put_back(self, Parts { task: handed, late_results, left_out }: Parts<'_>, room: &mut Room) {
        let TakenOut { whole, late_results: mut late } = self;
        let mut fits = |field: &str, name: usize| {
            let place = left_out.iter().position(|part| part.field == field);
            let back = place.filter(|place| left_out.get(*place).is_some_and(|part| room.takes(part.bytes + name)));
            back.map(|place| left_out.remove(place)).is_some()
        };
        if fits("payload", 0) {
            (handed.task.payload, handed.truncated) = (whole.payload, None);
        } else if handed.truncated.is_none() {
            // It is empty.
            handed.task.payload = whole.payload;
        }
        if fits("title", 0) {
            handed.task.title = whole.title;
        }
        if fits("tags", 0) {
            handed.task.tags = whole.tags;
        }
        if fits("created_by", 0) {
            handed.task.created_by = whole.created_by;
        }
        if fits("unique", ",\"unique\":".len()) {
            handed.task.unique = whole.unique;
        }
        if fits("after", ",\"after\":".len()) {
            handed.task.after = whole.after;
        }
        // The newest first, as many as there is room for.
        let list = ",\"late_results\":[]".len();
        while late.last().is_some_and(|newest| room.takes(bytes_of(newest) + 1 + list)) {
            late_results.extend(late.pop());
        }
        late_results.reverse();
        if let Some(part) = left_out.iter_mut().find(|part| part.field == "late_results") {
            (part.count, part.bytes) = (Some(late.len()), bytes_of(&late));
        }
        left_out.retain(|part| part.count != Some(0));
    }
}

/// The start of a long text; none of a short one.
fn cut(text: &str) -> Option<String> {
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if bytes_of(&kept) > START_BYTES {
            kept.pop();
            kept.push('…');
            return Some(kept);
        }
    }
    None
}

/// How long a value is as it is printed.
fn bytes_of(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |json| sanitised_json(&json).len())
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftOut { field, bytes, count } = self;
        match count {
            Some(count) => write!(f, "{count} of {field} ({bytes} bytes)"),
            None => write!(f, "{field} ({bytes} bytes)"),
        }
    }
}
