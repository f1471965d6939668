//! What hash lists say of an object, before an engine sees it.
//!
//! ```text
//!  object as it came ─▶ digests ─▶ denied? ────────────────────────────▶ INFECTED, no engine call
//!  each view of it ───▶ digests ─▶ denied? ──────────────────────────────┘
//!                                   └─▶ every view allowed, nothing odd ─▶ CLEAN, no engine call
//!  files inside of it, as the worker tells their digests ─▶ denied? ──▶ INFECTED
//! ```
//!
//! That a part is allowed says nothing of the whole, and what bytes are is decided by how they are read:
//! so it is the decoded form that has to be allowed, and all forms if there are several.

use icapstan_clamav_wire::{FileDigests, Options};
use icapstan_hashes::{Algorithm, Digest, Digests, Kind, Lists, Match};
use icapstan_model::{Object, ScanContext};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::sealed::Source;
use crate::views::{HARMLESS_LEN, Views};

/// Up to this size, objects in memory are hashed where the caller runs.
const INLINE: u64 = 64 << 10;

/// What is to be hashed.
pub(crate) struct Question {
    lists: Arc<Lists>,
    /// As it came, if that is no view of its own.
    object: Option<Source>,
    views: Vec<Source>,
    may_allow: bool,
    deadline: Instant,
}

/// What the lists say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Nothing: it is to be scanned.
    No,
    /// It is malware, or some of it is.
    Denied(Match),
    /// All of it is known to be fine.
    Allowed(Match),
}

/// What the worker is asked to tell of what lies inside, so that [`inside`] can be answered.
pub(crate) fn options(lists: &Lists) -> Options {
    lists.algorithms().fold(Options::default(), |options, algorithm| {
        options.with(match algorithm {
            Algorithm::Md5 => Options::MD5,
            Algorithm::Sha1 => Options::SHA1,
            Algorithm::Sha256 => Options::SHA256,
        })
    })
}

/// What denies one of the files inside of an object. That one is allowed says nothing of the whole.
pub(crate) fn inside(lists: &Lists, files: &[FileDigests]) -> Option<Match> {
    let digests = |file: &FileDigests| {
        Digests::of(
            file.len,
            lists.algorithms().filter_map(|algorithm| match algorithm {
                Algorithm::Md5 => Digest::new(algorithm, &file.md5),
                Algorithm::Sha1 => Digest::new(algorithm, &file.sha1),
                Algorithm::Sha256 => Digest::new(algorithm, &file.sha256),
            }),
        )
    };
    let found = files.iter().filter_map(|file| lists.lookup(&digests(file)));
    found.into_iter().find(|found| found.list.info.kind == Kind::Deny)
}

// === impl Question ===

impl Question {
    /// About this object; `None` if there are no lists.
    pub(crate) fn new(
        lists: &Arc<Lists>,
        object: &Object,
        context: &ScanContext,
        views: &Views,
        deadline: Instant,
    ) -> Option<Self> {
        if lists.is_empty() {
            return None;
        }
        let object = Some(Source::new(&object.content, object.len));
        let object = object.filter(|object| {
            object.len() > HARMLESS_LEN && !views.sources.iter().any(|view| view.is_same(object))
        });
        Some(Self {
            lists: Arc::clone(lists),
            object,
            views: views.sources.clone(),
            may_allow: !context.partial && views.findings.is_clean(),
            deadline,
        })
    }

    /// About a member of a container: whether it is denied. That it is allowed says nothing of the whole.
    pub(crate) fn about_member(lists: &Arc<Lists>, member: &Source, deadline: Instant) -> Option<Self> {
        let views = vec![member.clone()];
        let question = Self { lists: Arc::clone(lists), object: None, views, may_allow: false, deadline };
        (!lists.is_empty()).then_some(question)
    }

    /// Whether it is answered in no time.
    pub(crate) fn is_small(&self) -> bool {
        let all = || self.object.iter().chain(&self.views);
        all().all(|source| matches!(source, Source::Memory(_)))
            && all().map(Source::len).sum::<u64>() <= INLINE
    }

    /// Looks everything up. Blocks while it reads and hashes, up to the deadline.
    pub(crate) fn answer(&self, cancelled: &AtomicBool) -> io::Result<Listed> {
        let look = |source| self.look(source, cancelled);
        if let Some(found) = self.object.as_ref().map(look).transpose()?.flatten()
            && found.list.info.kind == Kind::Deny
        {
            return Ok(Listed::Denied(found));
        }
        let mut allowed = Vec::new();
        for view in &self.views {
            match look(view)? {
                Some(found) if found.list.info.kind == Kind::Deny => return Ok(Listed::Denied(found)),
                Some(found) => allowed.push(found),
                None => {}
            }
        }
        let is_all = self.may_allow && allowed.len() == self.views.len();
        Ok(allowed.pop().filter(|_| is_all).map_or(Listed::No, Listed::Allowed))
    }

    fn look(&self, source: &Source, cancelled: &AtomicBool) -> io::Result<Option<Match>> {
        let mut hasher = self.lists.hasher();
        source.each(|bytes| {
            hasher.update(bytes);
            let is_over = cancelled.load(Ordering::Relaxed) || Instant::now() >= self.deadline;
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let digests = hasher.finish();
        // What was not read wholly has no digest.
        if digests.len() < source.len() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(self.lists.lookup(&digests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_hashes::{Compiler, Entry, Hasher, ListFile, ListInfo};
    use icapstan_model::{Content, Findings, Mode, NonScannedReason, ScanProfile, Verdict};
    use std::time::{Duration, SystemTime};

    fn lists(entries: &[(Kind, &[u8])]) -> Arc<Lists> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lists");
        let info = |kind: Kind| ListInfo { name: kind.as_str().into(), kind, source: "test".into() };
        let mut compiler = Compiler::new(&path, Kind::ALL.map(info).to_vec()).unwrap();
        for (kind, bytes) in entries {
            let mut hasher = Hasher::new([Algorithm::Sha256]);
            hasher.update(bytes);
            let digest = *hasher.finish().iter().next().unwrap();
            compiler.add(*kind as usize, &Entry { digest, size: None }, "").unwrap();
        }
        compiler.finish().unwrap();
        Arc::new(Lists::new(ListFile::open(&path).unwrap(), SystemTime::UNIX_EPOCH))
    }

    fn object(bytes: &'static [u8]) -> Object {
        Object { content: Content::Memory(bytes.into()), len: bytes.len() as u64 }
    }

    fn memory(bytes: &'static [u8]) -> Source {
        Source::Memory(bytes.into())
    }

    fn views(sources: &[Source]) -> Views {
        Views { sources: sources.to_vec(), findings: Findings::clean() }
    }

    fn context(partial: bool) -> ScanContext {
        ScanContext {
            mode: Mode::Respmod,
            content_encoding: String::new(),
            content_types: Vec::new(),
            partial,
            profile: Arc::new(ScanProfile::default()),
            trace: None,
        }
    }

    /// Which kind of list decides.
    fn decides(lists: &Arc<Lists>, object: &Object, context: &ScanContext, views: &Views) -> Option<Kind> {
        let deadline = Instant::now() + Duration::from_mins(1);
        let question = Question::new(lists, object, context, views, deadline)?;
        match question.answer(&AtomicBool::new(false)).unwrap() {
            Listed::No => None,
            Listed::Denied(found) | Listed::Allowed(found) => Some(found.list.info.kind),
        }
    }

    #[test]
    fn a_whole_is_allowed_only_if_all_of_it_is_and_a_part_is_enough_to_deny() {
        let lists =
            lists(&[(Kind::Allow, b"fine one"), (Kind::Allow, b"fine two"), (Kind::Deny, b"bad one")]);
        let (fine, two, bad, new) =
            (memory(b"fine one"), memory(b"fine two"), memory(b"bad one"), memory(b"new one"));
        let coded = object(b"as it came");
        let whole = context(false);
        for (parts, decision) in [
            (vec![&fine], Some(Kind::Allow)),
            (vec![&fine, &two], Some(Kind::Allow)),
            (vec![&fine, &new], None),
            (vec![&new, &fine], None),
            (vec![&new], None),
            (vec![], None),
            (vec![&fine, &bad], Some(Kind::Deny)),
            (vec![&new, &bad], Some(Kind::Deny)),
        ] {
            let views = views(&parts.iter().map(|part| (*part).clone()).collect::<Vec<_>>());
            assert_eq!(decides(&lists, &coded, &whole, &views), decision, "{parts:?}");
            let of_piece = decision.filter(|kind| *kind == Kind::Deny);
            assert_eq!(decides(&lists, &coded, &context(true), &views), of_piece, "a piece: {parts:?}");
            let odd = Views { findings: Verdict::NonScanned(NonScannedReason::Malformed).into(), ..views };
            assert_eq!(decides(&lists, &coded, &whole, &odd), of_piece, "odd: {parts:?}");
        }
        // The bytes as they came deny, and allow nothing.
        assert_eq!(decides(&lists, &object(b"bad one"), &whole, &views(&[fine])), Some(Kind::Deny));
        assert_eq!(decides(&lists, &object(b"fine one"), &whole, &views(&[new])), None);
    }

    #[test]
    fn a_file_inside_denies_by_any_digest_and_allows_nothing() {
        let lists = lists(&[(Kind::Deny, b"bad one"), (Kind::Allow, b"fine one")]);
        assert_eq!(options(&lists), Options::SHA256);
        assert_eq!(options(&Lists::NONE), Options::default());
        let file = |bytes: &[u8]| {
            let mut file = FileDigests { len: bytes.len() as u64, ..FileDigests::default() };
            file.sha256 = icapstan_model::Sha256::of(bytes).0;
            file
        };
        assert_eq!(inside(&lists, &[file(b"fine one"), file(b"new")]), None);
        let found = inside(&lists, &[file(b"fine one"), file(b"bad one")]);
        assert_eq!(found.map(|found| found.list.info.kind), Some(Kind::Deny));
    }

    #[test]
    fn without_lists_nothing_is_asked_and_what_is_not_read_in_time_is_not_decided() {
        let plain = object(b"bad one");
        let one = views(&[Source::new(&plain.content, plain.len)]);
        let soon = Instant::now() + Duration::from_mins(1);
        assert!(Question::new(&Arc::default(), &plain, &context(false), &one, soon).is_none());
        let lists = lists(&[(Kind::Deny, b"bad one")]);
        let question = Question::new(&lists, &plain, &context(false), &one, soon).unwrap();
        assert!(question.object.is_none() && question.is_small(), "it is a view already");
        assert!(matches!(question.answer(&AtomicBool::new(false)).unwrap(), Listed::Denied(_)));
        let large: &'static [u8] = vec![7; 1 << 20].leak();
        let large = views(&[memory(large)]);
        let late = Question::new(&lists, &plain, &context(false), &large, Instant::now()).unwrap();
        assert!(!late.is_small());
        let late = Question { object: None, ..late };
        assert_eq!(late.answer(&AtomicBool::new(false)).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
