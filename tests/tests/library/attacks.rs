//! Attacks by whoever calls the component, and by whoever writes into the directory. Each must fail, trap nothing, and
//! touch nothing outside.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::component::bindings::exports::muse::coord::admin::{Durability, GcOptions, Treatment};
use crate::component::bindings::exports::muse::coord::types::{ClaimOptions, Filter, IfHeld, NewTask, Until};
use crate::component::bindings::exports::muse::coord::types::{Error, IoErrorKind, Status};
use crate::component::{claim_by, every_task, titled};
use coord_core::layout::ROOT_NAMES;
use coord_tests::Repo;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use wasmtime_wasi::FsPerms;

use crate::{COMPILED, directory, library};

/// What paths are attacked with.
const ESCAPES: [&str; 12] = [
    "..",
    "../../outside",
    "/etc/passwd",
    "//",
    "a/b",
    "a\\b",
    "C:\\x",
    ".",
    "",
    "nul\0byte",
    "a/../../b",
    "\u{202e}x",
];

#[test]
fn no_queue_name_leads_out_of_the_directory() {
    let repo = Repo::new();
    let mut library = library(&repo);
    for name in ESCAPES {
        let queue = Some(name.to_string());
        let answers = [
            library.enqueue(&NewTask { queue: queue.clone(), ..titled("t") }).unwrap().map(|_| ()),
            library.claim(&ClaimOptions { queues: vec![name.to_string()], ..claim_by("a") }).unwrap().map(|_| ()),
            library.pause(name).unwrap().map(|_| ()),
            library.resume_queue(name).unwrap().map(|_| ()),
            library.limit(name, Some(1)).unwrap(),
            library.tasks(&Filter { queue, ..every_task() }).unwrap().map(|_| ()),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(Error::BadQueue(_))), "{name:?}: {answer:?}");
        }
    }
    assert_eq!(names_in(repo.path(".")), [".muse"]);
}

#[test]
fn no_id_and_no_nonce_leads_anywhere() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let id = repo.enqueue("there");
    let hex = id.trim_start_matches("sha256:");
    let wrong = [
        format!("sha256:../../{}", &hex[6..]),
        hex[1..].to_string(),
        hex.to_uppercase(),
        format!("SHA256:{hex}"),
        id.to_uppercase(),
        format!("{id}/"),
        format!("{id}\0"),
        format!("sha256:{}", "0".repeat(65)),
    ];
    for id in ESCAPES.iter().map(ToString::to_string).chain(wrong) {
        let answers = [
            library.show(&id).unwrap().map(|_| ()),
            library.cancel(&id, "a", IfHeld::Force).unwrap().map(|_| ()),
            library.resume(&id, "a", None).unwrap().map(|_| ()),
            library.retry(&id).unwrap().map(|_| ()),
            library.wait(&[id.as_str()], Until::All, None).unwrap().map(|_| ()),
            library.enqueue(&NewTask { after: vec![id.clone()], ..titled("t") }).unwrap().map(|_| ()),
        ];
        for answer in answers {
            assert!(matches!(answer, Err(Error::BadTaskId(_))), "{id:?}: {answer:?}");
        }
    }
    for nonce in ESCAPES {
        assert!(matches!(library.resume(&id, "a", Some(nonce)).unwrap(), Err(Error::BadArgs(_))), "{nonce:?}");
    }
}

#[test]
fn a_run_id_may_hold_anything_and_is_never_a_path() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let long = "../".repeat(80);
    for run_id in ESCAPES.into_iter().filter(|run_id| !run_id.is_empty()).chain([long.as_str()]) {
        let id = library.enqueue(&titled("t")).unwrap().unwrap().task_id;
        let lease = library.claim(&claim_by(run_id)).unwrap().unwrap().unwrap();
        assert_eq!(library.complete(lease, None).unwrap().unwrap().claimer_run_id, run_id);
        assert_eq!(library.item(&id).unwrap().unwrap().claimer_run_id.as_deref(), Some(run_id));
    }
    assert_eq!(names_in(repo.path(".")), [".muse"]);
    assert_eq!(names_in(repo.path(".muse")), ["coordination"]);
}

#[test]
fn directories_that_lead_out_are_not_followed() {
    for planted in ROOT_NAMES.into_iter().filter(|name| !name.contains('.')) {
        let (repo, outside) = (Repo::new(), Outside::new());
        library(&repo).init().unwrap().unwrap();
        let place = repo.coordination(planted);
        fs::remove_dir_all(&place).ok();
        symlink(&outside.directory, &place).unwrap();
        let mut library = library(&repo);
        // Whatever has a directory of its own.
        let plans = [
            NewTask { tags: vec!["long ".repeat(9)], unique: Some("key".into()), ..titled("t") },
            NewTask { delay_seconds: Some(60), ..titled("t") },
        ];
        for new in &plans {
            library.enqueue(new).unwrap().ok();
        }
        library.pause("default").unwrap().ok();
        library.resume_queue("default").unwrap().ok();
        // Some work goes on without the directory that was planted; whatever happens is an answer.
        if let Ok(task) = library.enqueue(&titled("t")).unwrap() {
            library.cancel(&task.task_id, "a", IfHeld::Force).unwrap().ok();
        }
        if let Ok(Some(lease)) = library.claim(&claim_by(&"x".repeat(200))).unwrap() {
            library.complete_and_enqueue(lease, Some(r#"{"a":1}"#), &[titled("t")]).unwrap().ok();
        }
        library.tasks(&every_task()).unwrap().ok();
        library.gc(GcOptions { older_than_seconds: 0, keep_last: None, dry_run: false }).unwrap().ok();
        library.doctor(Treatment::Repair).unwrap().ok();
        outside.is_untouched(planted);
    }
}

#[test]
fn a_symbolic_link_in_a_records_place_tells_nothing_of_what_it_points_at() {
    let (repo, outside) = (Repo::new(), Outside::new());
    let mut library = library(&repo);
    let id = library.enqueue(&titled("t")).unwrap().unwrap().task_id;
    let entry = entries(&repo.coordination("ready")).pop().unwrap();
    fs::remove_file(&entry).unwrap();
    symlink(outside.secret(), &entry).unwrap();
    let answer = library.claim(&claim_by("a")).unwrap();
    assert!(!matches!(answer, Ok(Some(_))), "claimed what is no task");
    let told = format!("{answer:?} {:?} {:?}", library.warnings().unwrap(), library.show(&id).unwrap());
    assert!(!told.contains(SECRET), "{told}");
    outside.is_untouched("entry");
}

#[test]
fn a_hard_link_to_another_file_is_no_task_since_its_content_has_another_id() {
    let (repo, outside) = (Repo::new(), Outside::new());
    let mut library = library(&repo);
    let id = library.enqueue(&titled("t")).unwrap().unwrap().task_id;
    let record = entries(&repo.coordination("tasks")).into_iter().find(|path| path.extension().is_some()).unwrap();
    let entry = entries(&repo.coordination("ready")).pop().unwrap();
    for place in [&record, &entry] {
        fs::remove_file(place).unwrap();
        fs::hard_link(outside.secret(), place).unwrap();
    }
    assert!(library.claim(&claim_by("a")).unwrap().unwrap().is_none());
    let told = format!("{:?} {:?}", library.warnings().unwrap(), library.show(&id).unwrap());
    assert!(told.contains("quarantined") && !told.contains(SECRET), "{told}");
    library.doctor(Treatment::Repair).unwrap().unwrap();
    assert_eq!(fs::read_to_string(outside.secret()).unwrap(), SECRET);
}

#[test]
fn a_task_whose_content_does_not_hash_to_its_id_is_never_handed_out() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let (altered, whole) =
        (library.enqueue(&titled("pay 1")).unwrap().unwrap(), library.enqueue(&titled("other")).unwrap().unwrap());
    for path in entries(&repo.coordination("ready")) {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("pay 1", "pay 9")).unwrap();
    }
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    assert_eq!(library.task(lease).unwrap(), whole);
    assert!(library.claim(&claim_by("a")).unwrap().unwrap().is_none());
    assert!(library.warnings().unwrap().iter().any(|warning| warning.contains(&altered.task_id)));
}

#[test]
fn a_preopen_for_reading_only_is_read_and_says_so_when_it_should_be_written() {
    let repo = Repo::new();
    let id = repo.enqueue("there");
    let before = all_below(&directory(&repo));
    let mut library = COMPILED.instance(&[(&directory(&repo), FsPerms::ReadOnly)]).unwrap();
    assert_eq!(library.tasks(&every_task()).unwrap().unwrap().counts.pending, 1);
    assert_eq!(library.item(&id).unwrap().unwrap().status, Status::Pending);
    let answers = [
        library.enqueue(&titled("t")).unwrap().map(|_| ()),
        library.claim(&claim_by("a")).unwrap().map(|_| ()),
        library.cancel(&id, "a", IfHeld::Force).unwrap().map(|_| ()),
    ];
    for answer in answers {
        assert!(matches!(&answer, Err(Error::IoError(error)) if error.kind == IoErrorKind::ReadOnly), "{answer:?}");
    }
    assert_eq!(all_below(&directory(&repo)), before);
}

#[test]
fn terminal_escapes_come_back_to_programs_and_never_reach_a_terminal() {
    let repo = Repo::new();
    let mut library = library(&repo);
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r\nfake line";
    let new = NewTask { tags: vec![evil.into()], payload: Some(r#"{"x":"\u001b[2J"}"#.into()), ..titled(evil) };
    let task = library.enqueue(&new).unwrap().unwrap();
    assert_eq!((task.title.as_str(), task.tags[0].as_str()), (evil, evil));
    for line in ["tasks", "claim --run-id a"] {
        let shown = repo.coord(line).succeeded().stdout;
        assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{7}', '\u{202e}', '\r']), "{shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("fake line")), "{shown:?}");
    }
}

#[test]
fn huge_and_deep_values_are_refused_before_any_file_is_touched() {
    let repo = Repo::new();
    let mut library = library(&repo);
    library.init().unwrap().unwrap();
    let before = all_below(&directory(&repo));
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    let megabytes = format!(r#"{{"a":"{}"}}"#, "x".repeat(64 << 20));
    let mut enqueued =
        |payload: &str| library.enqueue(&NewTask { payload: Some(payload.into()), ..titled("t") }).unwrap();
    for payload in [&deep, &"[".repeat(60_000)] {
        assert!(matches!(enqueued(payload), Err(Error::BadPayload(_))));
    }
    assert!(matches!(enqueued(&megabytes), Err(Error::BadArgs(_))));
    let many = NewTask { tags: vec!["t".into(); 1_000_000], ..titled("t") };
    assert!(matches!(library.enqueue(&many).unwrap(), Err(Error::BadArgs(_))));
    assert_eq!(all_below(&directory(&repo)), before);

    library.enqueue(&titled("t")).unwrap().unwrap();
    let lease = library.claim(&claim_by("a")).unwrap().unwrap().unwrap();
    for result in [&deep, &megabytes] {
        assert!(matches!(library.complete(lease, Some(result)).unwrap(), Err(Error::BadArgs(_))));
    }
    assert!(matches!(library.fail(lease, &megabytes).unwrap(), Err(Error::BadArgs(_))));
    library.complete(lease, None).unwrap().unwrap();
}

#[test]
fn whatever_text_is_passed_every_call_answers() {
    let repo = Repo::new();
    let mut library = library(&repo);
    library.set_durability(Durability::Unsynced).unwrap();
    let mut random = SmallRng::seed_from_u64(4);
    for _ in 0..400 {
        let mut text = || -> String {
            let pieces =
                ["..", "/", "\0", "{", "}", "[", "\"", ":", "sha256:", "default", "a", "é", "\u{1b}", "9", ",", "-"];
            (0..random.random_range(0..12)).map(|_| pieces[random.random_range(0..pieces.len())]).collect()
        };
        let (a, b, c) = (text(), text(), text());
        let plan = NewTask { unique: Some(a.clone()), after: vec![b.clone()], ..titled(&c) };
        library.enqueue_all(&[plan]).unwrap().ok();
        let tagged =
            ClaimOptions { tags: vec![a.clone()], any_tags: vec![b.clone()], queues: vec![c.clone()], ..claim_by(&a) };
        library.claim_many(&tagged, 2).unwrap().ok();
        let new = NewTask { queue: Some(b.clone()), payload: Some(c.clone()), tags: vec![a.clone()], ..titled(&a) };
        library.enqueue(&new).unwrap().ok();
        library.enqueue(&NewTask { run_id: Some(c.clone()), ..titled(&a) }).unwrap().ok();
        if let Ok(Some(lease)) = library.claim(&claim_by(&b)).unwrap() {
            library.heartbeat(lease, Some(u32::try_from(a.len()).unwrap())).unwrap().ok();
            if library.complete(lease, Some(&c)).unwrap().is_err() {
                library.fail(lease, &c).unwrap().unwrap();
            }
            library.drop_lease(lease).unwrap();
        }
        library.show(&a).unwrap().ok();
        library.cancel_for(&b, &c, IfHeld::Force, Some(&a)).unwrap().ok();
        library.retry(&c).unwrap().ok();
        library.wait(&[&a, &b], Until::Any, None).unwrap().ok();
        library.pause(&a).unwrap().ok();
        library.resume_queue(&a).unwrap().ok();
        library.tasks(&Filter { cursor: Some(c.clone()), tags: vec![a.clone()], ..every_task() }).unwrap().ok();
        library.tasks(&Filter { queue: Some(a), run_id: Some(b), limit: Some(3), ..every_task() }).unwrap().ok();
    }
    let diagnosis = library.doctor(Treatment::Examine).unwrap().unwrap();
    assert!(diagnosis.healthy && diagnosis.foreign.is_empty() && diagnosis.counts.failed > 0, "{diagnosis:?}");
}

const SECRET: &str = "a secret of another program";

/// A directory beside the repository with a file in it that nobody granted.
struct Outside {
    directory: PathBuf,
    _repo: Repo,
}

impl Outside {
    fn new() -> Outside {
        let repo = Repo::bare();
        let directory = repo.path("outside");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("secret"), SECRET).unwrap();
        Outside { directory, _repo: repo }
    }

    fn secret(&self) -> PathBuf {
        self.directory.join("secret")
    }

    fn is_untouched(&self, by: &str) {
        assert_eq!(names_in(&self.directory), ["secret"], "by way of {by}");
        assert_eq!(fs::read_to_string(self.secret()).unwrap(), SECRET, "by way of {by}");
    }
}

fn names_in(directory: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The files below a directory that are tasks by their names.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let is_task = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() > 64);
    all_below(directory).into_iter().map(|(path, ..)| path).filter(is_task).collect()
}

/// Every file and directory below, with what tells a change.
fn all_below(directory: &Path) -> Vec<(PathBuf, u64, i64)> {
    let mut found = Vec::new();
    for name in names_in(directory) {
        let path = directory.join(name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            found.extend(all_below(&path));
        }
        found.push((path, metadata.len(), metadata.mtime_nsec()));
    }
    found
}
