//! What is done to a directory: a kind of damage, and the place that it was done to.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use coord_core::TaskId;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// One thing that was done.
#[derive(Clone, Debug)]
pub struct Deed {
    /// What.
    pub kind: Kind,
    /// All paths below the coordination directory that it touched.
    pub touched: Vec<PathBuf>,
    /// True if it was done to a directory.
    pub is_of_directory: bool,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $what:literal),+ $(,)?) => {
        /// What can be done to a place.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $(#[doc = $what] $kind),+ }

        impl Kind {
            /// All.
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// Its name in a report.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),+ }
            }
        }
    };
}

kinds! {
    Remove "removed" "What is there is removed, a directory with all that is in it.",
    Empty "emptied" "A file is cut to nothing.",
    Tear "torn" "A file is cut to a half.",
    Flip "flipped" "A bit of a file is another.",
    Append "appended" "A file ends with a byte more.",
    Garble "garbled" "A file holds something else.",
    File "file" "An empty file stands there instead.",
    Directory "directory" "A directory stands there instead.",
    FullDirectory "full directory" "A directory with foreign files stands there instead.",
    Link "link" "A link to a file outside stands there instead.",
    LinkToDirectory "link to a directory" "A link to a directory outside stands there instead.",
    LinkWithin "link within" "A link to another place of the queue stands there instead.",
    LinkToNowhere "link to nowhere" "A link that leads nowhere stands there instead.",
    LinkToItself "link to itself" "A link to itself stands there instead.",
    Fifo "fifo" "A FIFO stands there instead.",
    Socket "socket" "A socket stands there instead.",
    Sparse "sparse" "A file of 64 GiB of nothing stands there instead.",
    Forbid "mode 000" "Nobody may do anything with it.",
    ReadOnly "read only" "Nobody may write it.",
    Disown "other owner" "It belongs to another user, who shows it to nobody.",
    Rename "renamed" "It has a name that no queue gives.",
    Move "moved" "It is in another directory.",
    Swap "swapped" "It and another one have changed places.",
    Copy "copied" "A file is no link to the others of its kind any more, but a copy.",
    SecondName "second name" "A file has one more name, in another directory.",
    Foreign "foreign name" "A file with a name of nobody's is beside it.",
    Ages "time" "It says that it was changed in another year.",
}

/// A directory to do things to.
pub(super) struct Victim<'a> {
    /// The coordination directory.
    pub(super) root: &'a Path,
    /// Whom the commands run as, if the harness may give files away.
    pub(super) owner: Option<u32>,
    /// What is outside, relative to it.
    pub(super) outside: &'a Path,
    /// Its tasks.
    pub(super) tasks: &'a [TaskId],
}

/// Puts something where the queue looks for a directory or a file and has none, or beside what it has. True if it
/// could be put there.
pub fn plant(root: &Path, rng: &mut SmallRng) -> bool {
    let id = TaskId::of_canonical(&rng.random::<u64>().to_le_bytes());
    let victim = Victim { root, owner: None, outside: Path::new("../../.."), tasks: &[id] };
    let foreign = ["README.md", ".git", "zz", "x~"].choose(rng).expect("there are some");
    let beside = all_below(root).any(rng).with_file_name(foreign);
    let place = if rng.random() { victim.unused_place(rng) } else { beside };
    let there = fs::symlink_metadata(root.join(&place)).is_ok();
    let is_there_above = root.join(&place).parent().is_some_and(Path::is_dir);
    let kind = *Kind::PLANTED.choose(rng).expect("there are some");
    !there && is_there_above && victim.suffer(kind, &place, rng).is_ok()
}

impl Kind {
    /// What can be put into a free place.
    const PLANTED: &[Kind] = &[
        Kind::File,
        Kind::Directory,
        Kind::FullDirectory,
        Kind::Link,
        Kind::LinkToNowhere,
        Kind::LinkToItself,
        Kind::Fifo,
        Kind::Socket,
        Kind::Sparse,
    ];
}

impl Deed {
    /// Does something, by chance, that can be done.
    pub(super) fn at_random(victim: &Victim<'_>, rng: &mut SmallRng) -> Deed {
        loop {
            let kind = *Kind::ALL.choose(rng).expect("there are some");
            let place = victim.place(rng);
            let is_of_directory = fs::symlink_metadata(victim.root.join(&place)).is_ok_and(|there| there.is_dir());
            if let Ok(touched) = victim.suffer(kind, &place, rng) {
                victim.give_away(kind, &place, rng);
                return Deed { kind, touched, is_of_directory };
            }
        }
    }

    /// True if something that stands at this path, or below it, is not as it was.
    pub(super) fn concerns(&self, path: impl AsRef<Path>) -> bool {
        self.touched.iter().any(|touched| path.as_ref().starts_with(touched))
    }

    /// True if something that is no directory stands where one was.
    pub(super) fn is_in_the_way(&self) -> bool {
        let is_thing = matches!(
            self.kind,
            Kind::File
                | Kind::LinkToNowhere
                | Kind::LinkToItself
                | Kind::Link
                | Kind::Fifo
                | Kind::Socket
                | Kind::Sparse
        );
        is_thing && self.is_of_directory
    }

    /// The directory in which nobody may write any more.
    pub(super) fn write_protected(&self) -> Option<&Path> {
        let is_meant = self.kind == Kind::ReadOnly && self.is_of_directory;
        self.touched.first().filter(|_| is_meant).map(PathBuf::as_path)
    }

    /// True if it was done to a file that has this in its name.
    pub(super) fn names(&self, part: &str) -> bool {
        self.touched.iter().any(|touched| touched.to_string_lossy().contains(part))
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let touched: Vec<String> = self.touched.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        write!(f, "{} {}", self.kind.name(), touched.join(" "))
    }
}

impl Victim<'_> {
    /// A place that is there, or one where the queue would look for something.
    fn place(&self, rng: &mut SmallRng) -> PathBuf {
        let all = all_below(self.root);
        match rng.random_range(0..10) {
            0..6 => all.files.choose(rng).cloned(),
            6..8 => all.directories.choose(rng).cloned(),
            _ => None,
        }
        .unwrap_or_else(|| self.unused_place(rng))
    }

    fn unused_place(&self, rng: &mut SmallRng) -> PathBuf {
        let task = self.tasks.choose(rng).expect("there are tasks").to_string();
        let hex = task.trim_start_matches("sha256:");
        let aa = &hex[..2];
        let places = [
            "ready/zzz".to_string(),
            "ready/default/0bf".to_string(),
            "ready/default/0b7/00000".to_string(),
            "scheduled/00000".to_string(),
            format!("blocked/{aa}"),
            format!("blocked/{aa}/{hex}"),
            "deadlines/0000".to_string(),
            "deadlines/0000/0000".to_string(),
            format!("claimed/{}", &hex[..1]),
            format!("done/{aa}"),
            "tasks/0".to_string(),
            "unique/zzz".to_string(),
            "unique/default/00".to_string(),
            "purged/removing".to_string(),
            "quarantine/0123456789abcdef".to_string(),
            "tmp/0123456789abcdef".to_string(),
            "queues/zzz.paused".to_string(),
            "queues/zzz.max1".to_string(),
            "sweep/0000000000000".to_string(),
            format!("runs/{}.json", &hex[..20]),
            format!("tags/{}.json", &hex[..15]),
            "format.json.orig".to_string(),
        ];
        PathBuf::from(places.choose(rng).expect("there are some"))
    }

    /// What was planted belongs to whom the commands run as, or, as often as not, to another user. A directory always
    /// does: another user's that everybody may read looks like one of the queue's to all but those who write in it. So
    /// does a copy, which is made in place of a file that nobody has given away.
    fn give_away(&self, kind: Kind, place: &Path, rng: &mut SmallRng) {
        let path = self.root.join(place);
        let is_given = matches!(kind, Kind::Directory | Kind::FullDirectory | Kind::Copy) || rng.random();
        if let Some(owner) = self.owner.filter(|_| kind != Kind::Disown && is_given) {
            for path in [path.clone(), path.join("README.md"), path.join("00"), path.join("00/00")] {
                // What is not there was not planted.
                lchown(path, Some(owner), Some(owner)).unwrap_or_default();
            }
        }
    }

    /// Does it, if it can be done there. What it touched.
    fn suffer(&self, kind: Kind, place: &Path, rng: &mut SmallRng) -> io::Result<Vec<PathBuf>> {
        let path = self.root.join(place);
        let up = "../".repeat(place.components().count() - 1);
        let to = |target: &str| format!("{up}{}/{target}", self.outside.display());
        let here = || vec![place.to_owned()];
        match kind {
            // To open anything else may wait for somebody.
            Kind::Copy | Kind::Ages if !is_file_or_directory(&path) => return Err(io::ErrorKind::InvalidInput.into()),
            Kind::Remove => cleared(&path, true)?,
            Kind::Empty => of_file(&path)?.set_len(0)?,
            Kind::Tear => {
                let file = of_file(&path)?;
                file.set_len(file.metadata()?.len() / 2)?;
            }
            Kind::Flip => flip(&mut of_file(&path)?, rng)?,
            Kind::Append => {
                let mut file = of_file(&path)?;
                file.seek(SeekFrom::End(0))?;
                file.write_all(b"x")?;
            }
            Kind::Garble => {
                of_file(&path)?.set_len(0)?;
                fs::write(&path, r#"{"schema":1,"title":"something else","payload":{}}"#)?;
            }
            Kind::File => instead(&path, |path| fs::write(path, ""))?,
            Kind::Directory => instead(&path, |path| fs::create_dir(path))?,
            Kind::FullDirectory => instead(&path, |path| {
                fs::create_dir(path)?;
                fs::write(path.join("README.md"), "foreign")?;
                fs::create_dir_all(path.join("00/00"))
            })?,
            Kind::Link => instead(&path, |path| symlink(to("secret.json"), path))?,
            Kind::LinkToDirectory => instead(&path, |path| symlink(to("directory"), path))?,
            Kind::LinkWithin => {
                let target = all_below(self.root).any(rng);
                instead(&path, |path| symlink(Path::new(&up).join(&target), path))?;
            }
            Kind::LinkToNowhere => instead(&path, |path| symlink("nowhere", path))?,
            Kind::LinkToItself => instead(&path, |path| symlink(path.file_name().unwrap_or_default(), path))?,
            Kind::Fifo => instead(&path, fifo)?,
            Kind::Socket => instead(&path, |path| in_its_directory(path, |name| UnixListener::bind(name).map(drop)))?,
            Kind::Sparse => instead(&path, |path| File::create(path)?.set_len(64 << 30))?,
            Kind::Forbid => set_mode(&path, 0o000)?,
            Kind::ReadOnly => set_mode(&path, 0o500)?,
            Kind::Disown => {
                set_mode(&path, 0o700)?;
                lchown(&path, Some(1), Some(1))?;
            }
            Kind::Rename => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let names = [format!("{name}~"), format!("{name}.bak"), format!(".{name}"), name.to_uppercase()];
                let new = place.with_file_name(names.choose(rng).unwrap_or(&name));
                fs::rename(&path, self.root.join(&new))?;
                return Ok(vec![place.to_owned(), new]);
            }
            Kind::Move => {
                let directory = all_below(self.root).directories.choose(rng).cloned().unwrap_or_default();
                let new = directory.join(place.file_name().unwrap_or_default());
                fs::rename(&path, self.root.join(&new))?;
                return Ok(vec![place.to_owned(), new]);
            }
            Kind::Swap => {
                let other = all_below(self.root).any(rng);
                let between = self.root.join("between");
                fs::rename(&path, &between)?;
                let back = fs::rename(self.root.join(&other), &path);
                fs::rename(&between, self.root.join(if back.is_ok() { &other } else { place }))?;
                back?;
                return Ok(vec![place.to_owned(), other]);
            }
            Kind::Copy => {
                let content = fs::read(&path)?;
                fs::remove_file(&path)?;
                fs::write(&path, content)?;
            }
            Kind::SecondName => {
                let directory = all_below(self.root).directories.choose(rng).cloned().unwrap_or_default();
                let new = directory.join(place.file_name().unwrap_or_default());
                fs::hard_link(&path, self.root.join(&new))?;
                return Ok(vec![place.to_owned(), new]);
            }
            Kind::Foreign => {
                let names =
                    [b"README.md".to_vec(), b".git".to_vec(), vec![b'x'; 255], vec![0xff, 0xfe], b"00".to_vec()];
                let name = OsString::from_vec(names.choose(rng).cloned().unwrap_or_default());
                let new = place.with_file_name(name);
                OpenOptions::new().write(true).create_new(true).open(self.root.join(&new))?;
                return Ok(vec![new]);
            }
            Kind::Ages => {
                let years = Duration::from_secs(rng.random_range(1..40) * 31_000_000);
                let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(60 * 31_000_000);
                let at = if rng.random() { epoch + years } else { epoch - years };
                File::open(&path)?.set_modified(at)?;
                // What says when it was changed is right or wrong about nothing that was promised.
                return Ok(Vec::new());
            }
        }
        Ok(here())
    }
}

/// What is in a directory, by relative paths. Nothing is followed or opened but directories.
#[derive(Default)]
pub(super) struct All {
    pub(super) files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl All {
    fn any(&self, rng: &mut SmallRng) -> PathBuf {
        let from = if rng.next_u32().is_multiple_of(3) { &self.directories } else { &self.files };
        from.choose(rng).cloned().unwrap_or_else(|| PathBuf::from("tmp"))
    }
}

pub(super) fn all_below(root: &Path) -> All {
    let mut all = All::default();
    let mut to_read = BTreeSet::from([PathBuf::new()]);
    while let Some(directory) = to_read.pop_first() {
        let Ok(entries) = fs::read_dir(root.join(&directory)) else { continue };
        for entry in entries.flatten() {
            let path = directory.join(entry.file_name());
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => {
                    to_read.insert(path.clone());
                    all.directories.push(path);
                }
                false => all.files.push(path),
            }
        }
    }
    all.files.sort();
    all.directories.sort();
    all
}

/// A file to be written, if there is one.
fn of_file(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new().read(true).write(true).open(path)
}

/// Of what is there, and not of what it may be a link to.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn is_file_or_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_file() || there.is_dir())
}

fn flip(file: &mut File, rng: &mut SmallRng) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length == 0 || length > 1 << 20 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let at = SeekFrom::Start(rng.random_range(0..length));
    let mut byte = [0];
    file.seek(at)?;
    file.read_exact(&mut byte)?;
    file.seek(at)?;
    file.write_all(&[byte[0] ^ (1 << rng.random_range(0..8))])
}

/// Puts something in the place of whatever is there.
fn instead(path: &Path, put: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    cleared(path, false)?;
    put(path)
}

fn cleared(path: &Path, has_to_be_there: bool) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_to_be_there => Ok(()),
        Err(error) => Err(error),
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

/// Makes a FIFO.
pub fn fifo(path: &Path) -> io::Result<()> {
    Ok(mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0)?)
}

/// The address of a socket may have 108 bytes, which many a path of the queue has not room in: so it is bound
/// elsewhere and moved.
fn in_its_directory(path: &Path, bind: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let short = std::env::temp_dir().join(format!("s{}-{:x}", std::process::id(), address_of(path)));
    bind(&short)?;
    fs::rename(&short, path)
}

fn address_of(path: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
