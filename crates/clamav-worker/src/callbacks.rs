//! What libclamav says while it scans.
//!
//! The functions here are called from C. They do not unwind: Rust ends the process if a panic would
//! leave an `extern "C"` function, and the supervisor sees the death.

#![allow(unsafe_code, reason = "pointers come in through the callbacks")]

use crate::digests;
use crate::ffi::{CL_BREAK, CL_SUCCESS, CL_VIRUS, ClError, LAYER_NORMALIZED};
use crate::rules::{Rules, Turn};
use icapstan_clamav_wire::layers::{self, Kind, Structure};
use icapstan_clamav_wire::{FileDigests, Limits, Options, Reply, ReplyFlags, Request};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::time::Duration;

/// What has this many bytes or fewer never becomes a layer.
const SMALLEST_LAYER: u64 = 5;

/// One scan, filled by the callbacks.
pub(crate) struct Scan {
    pub(crate) flags: ReplyFlags,
    pub(crate) layers: u32,
    pub(crate) names: Vec<Vec<u8>>,
    /// Of rules that are told of only.
    pub(crate) noted: Vec<Vec<u8>>,
    limits: Limits,
    options: Options,
    /// All that was found is what was not asked for.
    only_unasked: bool,
    /// The layers around the current one, outermost first.
    around: Vec<Around>,
    /// A member was announced and not shown yet.
    announced: bool,
    /// Of the layers inside, if they were asked for.
    pub(crate) files: Vec<FileDigests>,
    rules: Option<Turn>,
}

struct Around {
    level: u32,
    /// Whether it counts as a container.
    container: bool,
    stream: bool,
}

/// What the inspection callback is given.
struct Layer<'a> {
    type_name: &'a [u8],
    bytes: &'a [u8],
    size: u64,
    is_named: bool,
    /// Another view of its parent and no part of it: normalised text.
    is_view: bool,
    level: u32,
}

// === impl Scan ===

impl Scan {
    pub(crate) fn new(request: &Request, rules: Option<&Rules>) -> Self {
        Self {
            flags: ReplyFlags::default(),
            layers: 0,
            names: Vec::new(),
            noted: Vec::new(),
            limits: request.limits,
            options: request.options,
            only_unasked: false,
            around: Vec::new(),
            announced: false,
            files: Vec::new(),
            rules: rules.map(|rules| rules.begin(Duration::from_millis(request.limits.time_ms.into()))),
        }
    }

    /// Keeps a name once. If there are too many, the first ones are kept, except that a name of a
    /// signature takes the place of a heuristic one.
    pub(crate) fn found(&mut self, name: &[u8]) {
        let name = &name[..name.len().min(Reply::MAX_NAME)];
        // libclamav looks for deceptive links in any case.
        if !self.options.has(Options::PHISHING) && is_phishing(name) {
            self.only_unasked = self.names.is_empty();
            return;
        }
        self.only_unasked = false;
        if self.names.iter().any(|known| known == name) {
            return;
        }
        if self.names.len() < Reply::MAX_NAMES {
            self.names.push(name.to_vec());
        } else if !is_heuristic(name)
            && let Some(weak) = self.names.iter_mut().rev().find(|known| is_heuristic(known))
        {
            *weak = name.to_vec();
        }
    }

    /// To be called when the scan call came back. Gives its code for the reply.
    pub(crate) fn finish(&mut self, code: ClError) -> ClError {
        self.unopened();
        // Signatures first, else in the order in which they were found.
        self.names.sort_by_key(|name| is_heuristic(name));
        if code == CL_VIRUS && self.only_unasked { CL_SUCCESS } else { code }
    }

    pub(crate) fn flag(&mut self, flag: ReplyFlags) {
        self.flags = self.flags.with(flag);
    }

    /// Whether the layer is to be scanned.
    fn layer(&mut self, layer: &Layer<'_>) -> bool {
        if layer.level == 0 {
            self.flag(ReplyFlags::INSPECTED);
        }
        self.layers = self.layers.saturating_add(1);
        // What libclamav comes upon elsewhere than in a list of members has no name.
        if layer.is_named {
            self.announced = false;
        }
        match layers::classify(layer.type_name, layer.bytes) {
            Kind::Ok => {}
            Kind::Unsupported => self.flag(ReplyFlags::UNSUPPORTED),
            Kind::Ignored => self.flag(ReplyFlags::IGNORED),
            Kind::Encrypted => self.flag(ReplyFlags::ENCRYPTED),
        }
        match layers::structure(layer.type_name, layer.bytes) {
            Structure::Plain => {}
            Structure::Ambiguous => self.flag(ReplyFlags::MALFORMED),
            Structure::Unsupported => self.flag(ReplyFlags::UNSUPPORTED),
            Structure::Encrypted => self.flag(ReplyFlags::ENCRYPTED),
            Structure::UnsupportedAndEncrypted => {
                self.flag(ReplyFlags::UNSUPPORTED.with(ReplyFlags::ENCRYPTED));
            }
        }
        if layers::skips(self.options, layer.type_name, layer.bytes) {
            self.flag(ReplyFlags::SKIPPED);
        }
        if layer.size > self.limits.file_size {
            self.flag(ReplyFlags::SIZE);
        }

        self.around.retain(|around| around.level < layer.level);
        let depth = self.around.iter().filter(|around| around.container).count();
        let in_stream = self.around.last().is_some_and(|around| around.stream);
        let shape = layers::shape(layer.type_name);
        self.around.push(Around {
            level: layer.level,
            container: shape.container && !layer.is_view && !(in_stream && shape.joins_stream),
            stream: shape.stream,
        });

        if depth > self.limits.depth as usize {
            self.flag(ReplyFlags::DEPTH);
            return false;
        }
        if self.layers > self.limits.files.max(1) {
            self.flag(ReplyFlags::FILES);
            return false;
        }
        self.digest(layer);
        self.try_rules(layer);
        // The verdict stands. The object must not cost the rest of its time.
        self.names.iter().all(|name| is_heuristic(name))
    }

    /// Takes the digests of a layer inside. Whoever asks knows those of the object itself.
    fn digest(&mut self, layer: &Layer<'_>) {
        let wanted = [Options::MD5, Options::SHA1, Options::SHA256];
        let is_wanted = wanted.into_iter().any(|option| self.options.has(option));
        if !is_wanted || layer.level == 0 || layer.is_view || layer.size <= SMALLEST_LAYER {
            return;
        }
        match digests::of(layer.bytes, self.options) {
            Some(file) if file.len == layer.size => self.files.push(file),
            // What was not looked up is not known to be fine.
            _ => self.flag(ReplyFlags::WARNED),
        }
    }

    /// Tries the YARA rules on a layer. What is only another view of it has no bytes of its own.
    fn try_rules(&mut self, layer: &Layer<'_>) {
        let Some(rules) = self.rules.as_mut().filter(|_| !layer.is_view) else { return };
        let look = rules.look(layer.bytes);
        if look.is_cut {
            self.flag(ReplyFlags::RULES_CUT);
        }
        if layer.bytes.len() as u64 != layer.size {
            self.flag(ReplyFlags::WARNED);
        }
        for name in look.detected {
            self.found(&name);
        }
        for mut name in look.noted {
            name.truncate(Reply::MAX_NAME);
            if self.noted.len() < Reply::MAX_NOTED && !self.noted.contains(&name) {
                self.noted.push(name);
            }
        }
    }

    /// A member that a container will now open, or would if it could.
    fn member(&mut self, container_type: &[u8], size: u64, encrypted: bool) {
        if !layers::shape(container_type).announces {
            // Zip files are looked at as layers: an executable can hold the four bytes of a member
            // header by chance, and then libclamav announces nonsense.
            if encrypted && container_type != b"CL_TYPE_ZIP" {
                self.flag(ReplyFlags::ENCRYPTED);
            }
            return;
        }
        self.unopened();
        if encrypted {
            self.flag(ReplyFlags::ENCRYPTED);
        } else {
            self.announced = size > SMALLEST_LAYER;
        }
    }

    /// Nothing came of the last announcement.
    fn unopened(&mut self) {
        if std::mem::take(&mut self.announced) {
            self.flag(ReplyFlags::UNSUPPORTED);
        }
    }
}

/// Whether a name stands for a rule of thumb or a limit and not for a signature.
fn is_heuristic(name: &[u8]) -> bool {
    name.starts_with(b"Heuristics.")
}

fn is_phishing(name: &[u8]) -> bool {
    name.starts_with(b"Heuristics.Phishing.") || name.starts_with(b"Heuristics.Safebrowsing.")
}

/// `clcb_virus_found`
pub(crate) extern "C" fn on_virus(_: c_int, name: *const c_char, context: *mut c_void) {
    if name.is_null() {
        return;
    }
    // SAFETY: the context is the scan that `Engine::scan` lends for the call; libclamav passes a
    // string that ends with a zero byte.
    unsafe {
        if let Some(scan) = context.cast::<Scan>().as_mut() {
            scan.found(CStr::from_ptr(name).to_bytes());
        }
    }
}

/// `clcb_file_inspection`
pub(crate) extern "C" fn on_layer(
    _: c_int,
    file_type: *const c_char,
    _: *const *const c_char,
    _: usize,
    name: *const c_char,
    size: usize,
    bytes: *const c_char,
    level: u32,
    attributes: u32,
    context: *mut c_void,
) -> ClError {
    // SAFETY: the context is the scan that `Engine::scan` lends for the call; libclamav passes a
    // string that ends with a zero byte, and as many bytes as it says or a null pointer.
    unsafe {
        let Some(scan) = context.cast::<Scan>().as_mut() else { return CL_SUCCESS };
        let layer = Layer {
            type_name: if file_type.is_null() { b"" } else { CStr::from_ptr(file_type).to_bytes() },
            bytes: if bytes.is_null() || isize::try_from(size).is_err() {
                &[]
            } else {
                std::slice::from_raw_parts(bytes.cast::<u8>(), size)
            },
            size: size as u64,
            is_named: !name.is_null(),
            is_view: attributes & LAYER_NORMALIZED != 0,
            level,
        };
        if scan.layer(&layer) { CL_SUCCESS } else { CL_BREAK }
    }
}

/// `clcb_meta`
pub(crate) extern "C" fn on_member(
    container_type: *const c_char,
    _: c_ulong,
    _: *const c_char,
    size: c_ulong,
    encrypted: c_int,
    _: c_uint,
    context: *mut c_void,
) -> ClError {
    if container_type.is_null() {
        return CL_SUCCESS;
    }
    // SAFETY: the context is the scan that `Engine::scan` lends for the call; libclamav passes a
    // string that ends with a zero byte.
    unsafe {
        if let Some(scan) = context.cast::<Scan>().as_mut() {
            let container_type = CStr::from_ptr(container_type).to_bytes();
            scan.member(container_type, size, encrypted != 0);
        }
    }
    CL_SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENS: Options = Options::PACKED.with(Options::ARCHIVES).with(Options::MAIL);

    fn scan(options: Options) -> Scan {
        let limits = Limits { time_ms: 1, file_size: 100, scan_size: 100, files: 100, depth: 2 };
        Scan::new(&Request { id: 1, options, limits }, None)
    }

    fn layer(type_name: &str, level: u32, is_named: bool) -> Layer<'_> {
        Layer { type_name: type_name.as_bytes(), bytes: &[], size: 50, is_named, is_view: false, level }
    }

    #[test]
    fn a_compressed_archive_is_one_container_and_text_is_none() {
        let mut scan = scan(OPENS);
        for (type_name, level, goes_on) in [
            ("CL_TYPE_GZ", 0, true),
            ("CL_TYPE_POSIX_TAR", 1, true),
            ("CL_TYPE_HTML", 2, true),
            ("CL_TYPE_XAR", 2, true),
            ("CL_TYPE_TEXT_ASCII", 3, true),
            ("CL_TYPE_XAR", 3, true),
            ("CL_TYPE_TEXT_ASCII", 4, false),
            ("CL_TYPE_XAR", 2, true),
        ] {
            assert_eq!(scan.layer(&layer(type_name, level, true)), goes_on, "{type_name} at {level}");
        }
        assert_eq!(scan.flags, ReplyFlags::INSPECTED.with(ReplyFlags::DEPTH));
    }

    #[test]
    fn a_member_that_does_not_appear_is_missed_and_a_chance_find_is_no_member() {
        for (steps, flag) in [
            (&["member", "named", "member", "named"][..], false),
            (&["member", "member", "named"], true),
            (&["member"], true),
            (&["member", "nameless"], true),
            (&["tiny"], false),
        ] {
            let mut scan = scan(OPENS);
            assert!(scan.layer(&layer("CL_TYPE_7Z", 0, false)));
            for step in steps {
                match *step {
                    "member" => scan.member(b"CL_TYPE_7Z", 50, false),
                    "tiny" => scan.member(b"CL_TYPE_7Z", 5, false),
                    step => assert!(scan.layer(&layer("CL_TYPE_TEXT_ASCII", 1, step == "named"))),
                }
            }
            scan.finish(CL_SUCCESS);
            assert_eq!(scan.flags.has(ReplyFlags::UNSUPPORTED), flag, "{steps:?}");
        }
    }

    #[test]
    fn names_are_few_and_unlike_and_signatures_stand_first() {
        let mut scan = scan(OPENS.with(Options::PHISHING));
        for index in 0..20 {
            scan.found(format!("Heuristics.{index}").as_bytes());
        }
        scan.found(b"Heuristics.Phishing.A");
        scan.found(b"Win.Test.A");
        scan.found(b"Win.Test.A");
        assert_eq!(scan.finish(CL_VIRUS), CL_VIRUS);
        assert_eq!(scan.names.len(), Reply::MAX_NAMES);
        assert_eq!(scan.names[0], b"Win.Test.A");
        assert_eq!(scan.names[1], b"Heuristics.0");
    }

    #[test]
    fn deceptive_links_are_reported_only_when_asked_for() {
        let mut asked = scan(OPENS.with(Options::PHISHING));
        asked.found(b"Heuristics.Phishing.Email.SSL-Spoof");
        assert_eq!((asked.finish(CL_VIRUS), asked.names.len()), (CL_VIRUS, 1));
        let mut unasked = scan(OPENS);
        unasked.found(b"Heuristics.Phishing.Email.SSL-Spoof");
        assert_eq!((unasked.finish(CL_VIRUS), unasked.names.len()), (CL_SUCCESS, 0));
        let mut more = scan(OPENS);
        more.found(b"Win.Test.A");
        more.found(b"Heuristics.Phishing.Email.SSL-Spoof");
        assert_eq!((more.finish(CL_VIRUS), more.names.len()), (CL_VIRUS, 1));
        // A detection that no callback told of stays one.
        assert_eq!(scan(OPENS).finish(CL_VIRUS), CL_VIRUS);
    }
}
