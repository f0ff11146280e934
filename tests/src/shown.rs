//! An outcome as a test compares it: what differs from run to run becomes a placeholder, numbered so that equal things
//! stay equal, and times that differ by whole seconds say so.
//!
//! ```text
//! {"timestamp":"<time 1>","task_id":"<id 1>","claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>"}
//! ```

use std::ffi::OsStr;
use std::path::Path;

use regex_lite::{Captures, Regex};

/// What has been shown so far of one repository.
#[derive(Debug)]
pub(crate) struct Placeholders {
    root: String,
    varying: Regex,
    ids: Vec<String>,
    nonces: Vec<String>,
    times: Vec<i64>,
}

/// One alternative, by the name of its group, for each kind of thing that differs from run to run.
const VARYING: &str = concat!(
    r"sha256:(?<id>[0-9a-f]{64})",
    r"|[0-9a-f]{2}/(?<fanned>[0-9a-f]{64})",
    r"|\b(?<cursor>[0-9a-f]{16}\.[0-9a-f]{16}\.[0-9a-f]{64}\.-?[a-z]+)\b",
    r"|\b(?<bare>[0-9a-f]{64})\b",
    r"|\b(?<nonce>[0-9a-f]{16})\b",
    r"|(?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00)",
    r#"|"duration_ms":(?<millis>[0-9.e-]+)"#,
    r"|\((?<seconds>\d+\.\d{3})s\)",
    r"|after (?<waited>\d+\.\d)s",
    r#"|"muse_version":"(?<version>[^"]*)""#,
    r"|(?<interface>muse:coord/[a-z-]+)@[0-9.]+",
);

impl Placeholders {
    pub(crate) fn new(root: &Path) -> Placeholders {
        let varying = Regex::new(VARYING).expect("the pattern is right");
        let root = root.display().to_string();
        Placeholders { root, varying, ids: Vec::new(), nonces: Vec::new(), times: Vec::new() }
    }

    pub(crate) fn transcript(&mut self, line: &str, stdout: &str, stderr: &str) -> String {
        self.number_times(&[stdout, stderr].concat());
        let mut text = format!("$ {}\n", self.redacted(line));
        match stdout.starts_with('{') {
            true => text.push_str(&folded(&self.redacted(stdout))),
            false => text.push_str(&self.redacted(stdout)),
        }
        if !text.ends_with('\n') {
            text.push_str("⏎ is missing here\n");
        }
        self.redacted(stderr).lines().for_each(|line| text.push_str(&format!("2> {line}\n")));
        text
    }

    /// Gives new times their numbers in the order of time, so that an end is told by its beginning.
    fn number_times(&mut self, text: &str) {
        let found = self.varying.captures_iter(text).filter_map(|found| found.name("time"));
        let mut times: Vec<i64> = found.map(|time| micros(time.as_str())).collect();
        times.sort_unstable();
        for time in times {
            self.time(time);
        }
    }

    fn redacted(&mut self, text: &str) -> String {
        let text = text.replace(&self.root, "<repo>");
        let varying = self.varying.clone();
        varying.replace_all(&text, |found: &Captures<'_>| self.placeholder(found)).into_owned()
    }

    fn placeholder(&mut self, found: &Captures<'_>) -> String {
        let group = |name| found.name(name).map(|found| found.as_str());
        if let Some(hex) = group("id") {
            format!("<id {}>", number_of(hex.to_string(), &mut self.ids))
        } else if let Some(hex) = group("fanned") {
            format!("<aa>/<id {}>", number_of(hex.to_string(), &mut self.ids))
        } else if let Some(hex) = group("bare") {
            // A word of one letter is no id.
            match hex.chars().all(|c| hex.starts_with(c)) {
                false => format!("<bare id {}>", number_of(hex.to_string(), &mut self.ids)),
                true => hex.to_string(),
            }
        } else if group("cursor").is_some() {
            String::from("<cursor>")
        } else if let Some(nonce) = group("nonce") {
            format!("<nonce {}>", number_of(nonce.to_string(), &mut self.nonces))
        } else if let Some(time) = group("time") {
            self.time(micros(time))
        } else if group("millis").is_some() {
            String::from(r#""duration_ms":<ms>"#)
        } else if group("seconds").is_some() {
            String::from("(<s>)")
        } else if group("waited").is_some() {
            String::from("after <s>")
        } else if let Some(interface) = group("interface") {
            format!("{interface}@<version>")
        } else {
            String::from(r#""muse_version":"<version>""#)
        }
    }

    fn time(&mut self, micros: i64) -> String {
        let whole_seconds = |earlier: &&i64| micros > **earlier && (micros - **earlier) % 1_000_000 == 0;
        if !self.times.contains(&micros)
            && let Some(earlier) = self.times.iter().copied().find(|earlier| whole_seconds(&earlier))
        {
            return format!("<time {} + {}s>", number_of(earlier, &mut self.times), (micros - earlier) / 1_000_000);
        }
        format!("<time {}>", number_of(micros, &mut self.times))
    }
}

fn number_of<T: PartialEq>(thing: T, known: &mut Vec<T>) -> usize {
    let number = known.iter().position(|other| *other == thing).unwrap_or(known.len());
    if number == known.len() {
        known.push(thing);
    }
    number + 1
}

/// A time of an answer, in microseconds since 1970: `2026-11-22T14:42:42.246562+00:00`.
pub fn micros(time: &str) -> i64 {
    let parts: Vec<i64> = time.trim_end_matches("+00:00").split(['-', 'T', ':', '.']).flat_map(str::parse).collect();
    let [year, month, day, hour, minute, second, micros] = parts[..] else { panic!("not a time: {time}") };
    // Counting years from March puts the leap day at the end of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros
}

/// A long JSON line, broken after commas between tokens, so that it can be read and compared piece by piece.
fn folded(json: &str) -> String {
    let (mut page, mut line, mut in_string, mut escaped) = (String::new(), String::new(), false, false);
    let mut piece = String::new();
    for c in json.chars() {
        piece.push(c);
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if c == '\n' || c == ',' && !in_string {
            if !line.is_empty() && line.chars().count() + piece.chars().count() > 110 {
                page.push_str(&line);
                line = String::from("\n ");
            }
            line.push_str(&std::mem::take(&mut piece));
        }
    }
    page + &line + &piece
}

/// A word of a command line as a person would type it; a long one is cut, and what acts on a terminal is escaped.
pub(crate) fn shown_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    if text.chars().count() > 120 {
        let start: String = text.chars().take(20).collect();
        return format!("'{}…' ({} characters)", start.escape_debug(), text.chars().count());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    let escaped: String =
        text.chars().map(|c| if c.is_control() { c.escape_default().collect() } else { c.to_string() }).collect();
    format!("'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_things_get_equal_placeholders_and_times_tell_their_distance() {
        let mut placeholders = Placeholders::new(Path::new("/tmp/r"));
        let hex = "ab".repeat(32);
        let stdout = format!(
            "{{\"at\":\"2026-02-28T23:59:59.000001+00:00\",\"until\":\"2026-03-01T00:59:59.000001+00:00\",\"id\":\"sha256:{hex}\"}}\n"
        );
        let first = placeholders.transcript("muse", &stdout, "in /tmp/r/x\n");
        assert_eq!(
            first,
            "$ muse\n{\"at\":\"<time 1>\",\"until\":\"<time 1 + 3600s>\",\"id\":\"<id 1>\"}\n2> in <repo>/x\n"
        );
        let again = placeholders.transcript("muse", &format!("tasks/ab/{hex}.json"), "");
        assert_eq!(again, "$ muse\ntasks/<aa>/<id 1>.json⏎ is missing here\n");
    }

    #[test]
    fn times_are_counted_from_1970_across_leap_days() {
        assert_eq!(micros("1970-01-01T00:00:00.000000+00:00"), 0);
        assert_eq!(micros("2000-02-29T12:00:00.000001+00:00"), 951_825_600_000_001);
        assert_eq!(micros("2026-11-22T14:42:42.246562+00:00"), 1_795_358_562_246_562);
    }

    #[test]
    fn a_long_line_is_folded_between_tokens_only() {
        let long = format!("{{\"a\":\"{}, {}\",\"b\":1,\"c\":2}}\n", "x".repeat(60), "y".repeat(60));
        let page = folded(&long);
        assert_eq!(page.replace("\n ", ""), long);
        assert!(page.ends_with(",\n \"b\":1,\"c\":2}\n"), "{page}");
    }
}
