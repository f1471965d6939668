//! The keys under which a URL could be listed.
//!
//! ```text
//!  http://a.b.c/1/2.html?param=1      a.b.c/1/2.html?param=1   b.c/1/2.html?param=1
//!                                     a.b.c/1/2.html           b.c/1/2.html
//!                                     a.b.c/1/                 b.c/1/
//!                               \0    a.b.c
//!                                     a.b.c/                   b.c/
//! ```
//!
//! As in Safe Browsing (<https://developers.google.com/safe-browsing/v4/urls-hashing#suffixprefix-expressions>):
//! the host and up to four of its suffixes, those of its last five labels, each with the path and query, the
//! path alone, and the folders above it, at most four from the root. Addresses have no suffixes.
//!
//! A suffix has at least two labels, so that nothing is ever looked up under a bare top-level domain. Longer
//! public suffixes (`co.uk`) are looked up, for what is one changes with time and must not change what an
//! old list means; the importers see to it that no list covers one of those by mistake.
//!
//! A host of more than six labels is not looked up under all names above it: an entry for all below a name
//! of six labels or more covers that name alone. The importers remark on such entries.

use crate::canonical::CanonicalUrl;
use std::ops::ControlFlow;

/// No URL has more keys: 5 hosts x 6 paths, and one for [`Entry::Host`](crate::Entry::Host).
pub const MAX_EXPRESSIONS: usize = 31;

/// The most labels of a host suffix.
pub(crate) const MAX_LABELS: usize = 5;

/// The most folders of a path, of which the root is the first.
pub(crate) const MAX_FOLDERS: usize = 4;

/// A few places in a text: 5 hosts begin there, or 6 paths end there, at most.
#[derive(Default)]
struct Places {
    places: [usize; 6],
    len: usize,
}

/// Calls `each` with each key under which the URL could be listed until it breaks, and returns what it broke
/// with. At most [`MAX_EXPRESSIONS`] calls, all different; the keys are slices of the URL: nothing is copied
/// or allocated (so there is no buffer to pass).
///
/// The most specific come first: by host, the longest first, and for each host by path, the longest first.
/// The key of [`Entry::Host`](crate::Entry::Host) comes before `host/`, which covers more.
pub fn expressions<B>(url: &CanonicalUrl, mut each: impl FnMut(&[u8]) -> ControlFlow<B>) -> Option<B> {
    let (text, host_end, _) = url.raw();
    let paths = path_ends(url);
    for &start in host_starts(url).as_slice() {
        for &end in paths.as_slice() {
            // The root of the host itself: first that host alone.
            if start == 1
                && end == host_end + 1
                && let ControlFlow::Break(found) = each(&text[..host_end])
            {
                return Some(found);
            }
            if let ControlFlow::Break(found) = each(&text[start..end]) {
                return Some(found);
            }
        }
    }
    None
}

/// The host itself and its suffixes, the longest first.
fn host_starts(url: &CanonicalUrl) -> Places {
    let (text, host_end, _) = url.raw();
    let mut starts = Places::default();
    starts.push(1);
    if url.ip().is_none() {
        // From the right: the second dot begins the suffix of two labels.
        let mut suffixes = Places::default();
        for at in memchr::memrchr_iter(b'.', &text[..host_end]).take(MAX_LABELS).skip(1) {
            suffixes.push(at + 1);
        }
        suffixes.as_slice().iter().rev().for_each(|&start| starts.push(start));
    }
    starts
}

/// Where the paths to look up end, the longest first.
fn path_ends(url: &CanonicalUrl) -> Places {
    let (text, host_end, path_end) = url.raw();
    let mut ends = Places::default();
    let has_query = path_end < text.len();
    if has_query && !url.is_cut() {
        ends.push(text.len());
    }
    if has_query || !url.is_cut() {
        ends.push(path_end);
    }
    let mut folders = Places::default();
    for at in memchr::memchr_iter(b'/', &text[host_end..path_end]).take(MAX_FOLDERS) {
        folders.push(host_end + at + 1);
    }
    for &end in folders.as_slice().iter().rev() {
        if ends.as_slice().last() != Some(&end) {
            ends.push(end);
        }
    }
    ends
}

// === impl Places ===

impl Places {
    fn push(&mut self, place: usize) {
        self.places[self.len] = place;
        self.len += 1;
    }

    fn as_slice(&self) -> &[usize] {
        &self.places[..self.len]
    }
}

#[cfg(test)]
mod tests;
