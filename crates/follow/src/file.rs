//! Plans from a file that somebody keeps: for tests, and for fleets without Kubernetes.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::plan::{MAX_PLAN, Origin, read_plan};
use crate::source::{Heard, Hearing, PlanSource, SourceError};

/// How often the file is looked at. It is read when it has looked the same for so long, so that nobody reads half of
/// one that is being written.
const LOOK: Duration = Duration::from_millis(125);

/// The plan that a file has (`FleetPlan.spec`, as JSON or YAML).
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    /// As it looked last, and since when.
    seen: Option<(Stamp, Instant)>,
    /// As it was when it was read.
    read: Option<Stamp>,
}

/// How a file looks from outside; without anything, if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp(Option<[i64; 5]>);

// === impl FileSource ===

impl FileSource {
    /// The plan in the file `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), seen: None, read: None }
    }

    async fn look(&mut self) -> Heard {
        loop {
            let path = self.path.clone();
            let stamp = match blocking(move || Stamp::of(&path)).await {
                Ok(stamp) => stamp,
                Err(error) => {
                    tokio::time::sleep(LOOK).await;
                    self.read = None;
                    return Heard::Trouble(self.unreachable(&error));
                }
            };
            let since = match &self.seen {
                Some((seen, since)) if *seen == stamp => *since,
                _ => self.seen.insert((stamp.clone(), Instant::now())).1,
            };
            if self.read.as_ref() == Some(&stamp) {
                tokio::time::sleep(LOOK).await;
                return Heard::Same;
            }
            if since.elapsed() >= LOOK {
                let heard = self.read(&stamp).await;
                // What could not be read is tried again.
                let is_read = !matches!(heard, Heard::Trouble(SourceError::Unreachable(_)));
                self.read = is_read.then_some(stamp);
                return heard;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn read(&self, stamp: &Stamp) -> Heard {
        if stamp.0.is_none() {
            return Heard::None;
        }
        let path = self.path.clone();
        match blocking(move || read(&path)).await {
            Err(error) => Heard::Trouble(self.unreachable(&error)),
            Ok(text) => match read_plan(&text) {
                Ok(spec) => Heard::Plan(Box::new(spec)),
                Err(error) => Heard::Trouble(error.into()),
            },
        }
    }

    fn unreachable(&self, error: &io::Error) -> SourceError {
        SourceError::Unreachable(format!("{}: {error}", self.path.display()))
    }
}

impl PlanSource for FileSource {
    fn hear(&mut self) -> Hearing<'_> {
        Box::pin(self.look())
    }

    fn origin(&self) -> Origin {
        Origin::File
    }

    fn describe(&self) -> String {
        format!("the file {}", self.path.display())
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(io::Error::other("it is no file")),
            Ok(found) => {
                let (device, inode) = (found.dev().cast_signed(), found.ino().cast_signed());
                Ok(Self(Some([device, inode, found.size().cast_signed(), found.mtime(), found.mtime_nsec()])))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One more than there may be, so that it is seen to be too long.
    File::open(path)?.take(MAX_PLAN as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
