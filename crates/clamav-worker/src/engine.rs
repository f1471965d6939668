//! One libclamav engine: a safe face for the calls that are used.

#![allow(unsafe_code, reason = "calls into libclamav")]

use crate::callbacks::{self, Scan};
use crate::digests;
use crate::ffi::{self, CL_SUCCESS, ClEngine, ClError, Field, ScanOptions};
use crate::messages;
use crate::rules::Rules;
use icapstan_clamav_wire::{FileDigests, Limits, Options, Reply, ReplyFlags, Request};
use std::ffi::{CStr, c_char, c_ulong};
use std::fmt;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr::NonNull;

/// The largest file that libclamav can scan, less one for its own arithmetic.
const LARGEST_FILE: u64 = (1 << 31) - 3;
/// More than the buffer of any unpacker, so that what was cut ends less than this before the limit.
const CUT_MARGIN: u64 = 256 << 10;
/// libclamav counts layers that are no containers too: normalised text, parts of documents, unpacked
/// executables. Containers themselves are counted by the inspection callback.
const EXTRA_LEVELS: u32 = 12;
/// The deepest recursion that libclamav accepts.
const MOST_LEVELS: u32 = 100;

/// Engine fields whose limit must not be lower than the size of a file that is to be scanned, with
/// their defaults: beyond them libclamav leaves a part of its work out and does not say so.
const SILENT_LIMITS: [(Field, u64); 6] = [
    (Field::MaxEmbeddedPe, 40 << 20),
    (Field::MaxHtmlNormalize, 40 << 20),
    (Field::MaxHtmlNoTags, 8 << 20),
    (Field::MaxScriptNormalize, 20 << 20),
    (Field::MaxZipTypeRcg, 1 << 20),
    (Field::PcreMaxFileSize, 100 << 20),
];

/// A handle that is never shared between threads.
pub(crate) struct Engine(NonNull<ClEngine>);

/// What libclamav answered, if it was not what it should be.
#[derive(Debug)]
pub(crate) struct EngineError {
    pub(crate) call: &'static str,
    pub(crate) code: ClError,
}

// === impl Engine ===

impl Engine {
    /// An empty engine without the clean cache: its key is MD5 in 1.4, so a collision would hide a
    /// threat, and it is not shared between workers.
    pub(crate) fn new() -> Result<Self, EngineError> {
        check("cl_init", ffi::cl_init(ffi::CL_INIT_DEFAULT))?;
        let engine = NonNull::new(ffi::cl_engine_new())
            .ok_or(EngineError { call: "cl_engine_new", code: ffi::CL_EMEM })?;
        let engine = Self(engine);
        engine.set(Field::DisableCache, 1)?;
        engine.set(Field::DisablePeStats, 1)?;
        // SAFETY: the engine is alive, and the callbacks are functions that live for ever.
        unsafe {
            ffi::cl_engine_set_clcb_virus_found(engine.0.as_ptr(), callbacks::on_virus);
            ffi::cl_engine_set_clcb_file_inspection(engine.0.as_ptr(), callbacks::on_layer);
            ffi::cl_engine_set_clcb_meta(engine.0.as_ptr(), callbacks::on_member);
        }
        Ok(engine)
    }

    pub(crate) fn set_temp_dir(&self, path: &CStr) -> Result<(), EngineError> {
        // SAFETY: the engine is alive; libclamav copies the string.
        check("cl_engine_set_str", unsafe {
            ffi::cl_engine_set_str(self.0.as_ptr(), Field::TmpDir, path.as_ptr())
        })
    }

    /// Loads a folder of signature files. Gives how many signatures libclamav says it took.
    pub(crate) fn load(&self, path: &CStr) -> Result<u64, EngineError> {
        let mut count = 0;
        let options = ffi::CL_DB_STDOPT | ffi::CL_DB_YARA_EXCLUDE;
        // SAFETY: the engine is alive and not compiled; the count is alive during the call.
        check("cl_load", unsafe { ffi::cl_load(path.as_ptr(), self.0.as_ptr(), &raw mut count, options) })?;
        Ok(u64::from(count))
    }

    pub(crate) fn compile(&self) -> Result<(), EngineError> {
        // SAFETY: the engine is alive.
        check("cl_engine_compile", unsafe { ffi::cl_engine_compile(self.0.as_ptr()) })
    }

    /// Scans one file within the limits of its request. What lies inside of it is told as far as it is asked for.
    pub(crate) fn scan(
        &self,
        request: &Request,
        fd: BorrowedFd<'_>,
        image_hashes: bool,
        rules: Option<&Rules>,
    ) -> (Reply, Vec<FileDigests>) {
        drop(messages::take());
        let mut scan = Scan::new(request, rules);
        let mut scanned = 0;
        let code = match self.set_limits(&request.limits) {
            Ok(()) => self.scan_fd(fd, scan_options(request.options, image_hashes), &mut scan, &mut scanned),
            // Not scanned at all: without INSPECTED no reader takes it for clean.
            Err(error) => error.code,
        };
        let code = scan.finish(code);
        let messages = messages::take();
        if messages.has_fault() {
            scan.flag(ReplyFlags::WARNED);
        }
        if messages.has_complaint() {
            scan.flag(ReplyFlags::MALFORMED);
        }
        let reply = Reply {
            id: request.id,
            code,
            flags: scan.flags,
            scanned: scanned.saturating_mul(ffi::COUNT_PRECISION),
            layers: scan.layers,
            names: scan.names,
            noted: scan.noted,
            message: messages.first().as_bytes().to_vec(),
        };
        (reply, scan.files)
    }

    fn scan_fd(
        &self,
        fd: BorrowedFd<'_>,
        mut options: ScanOptions,
        scan: &mut Scan,
        scanned: &mut c_ulong,
    ) -> ClError {
        let mut name: *const c_char = std::ptr::null();
        // SAFETY: engine, descriptor, options, name, count and scan are alive during the call; the
        // callbacks are given `scan` by nobody else, and not after the call.
        let code = unsafe {
            ffi::cl_scandesc_callback(
                fd.as_raw_fd(),
                std::ptr::null(),
                &raw mut name,
                scanned,
                self.0.as_ptr(),
                &raw mut options,
                (&raw mut *scan).cast(),
            )
        };
        if scan.names.is_empty() && !name.is_null() {
            // SAFETY: a string of the engine, which lives.
            scan.found(unsafe { CStr::from_ptr(name) }.to_bytes());
        }
        code
    }

    /// Zero would mean "no limit" or "the default" to libclamav, and never does here.
    fn set_limits(&self, limits: &Limits) -> Result<(), EngineError> {
        // libclamav cuts members of zip files at the limit and does not tell. With some more room a
        // stump is larger than the limit that was asked for, and the inspection callback sees that.
        let file_size = limits.file_size.saturating_add(CUT_MARGIN).clamp(1, LARGEST_FILE);
        self.set(Field::MaxScanTime, u64::from(limits.time_ms.max(1)))?;
        self.set(Field::MaxFileSize, file_size)?;
        self.set(Field::MaxScanSize, limits.scan_size.max(1))?;
        self.set(Field::MaxFiles, u64::from(limits.files.max(1)))?;
        let levels = limits.depth.saturating_add(EXTRA_LEVELS).min(MOST_LEVELS);
        self.set(Field::MaxRecursion, u64::from(levels))?;
        SILENT_LIMITS.into_iter().try_for_each(|(field, default)| self.set(field, file_size.max(default)))
    }

    fn set(&self, field: Field, value: u64) -> Result<(), EngineError> {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        // SAFETY: the engine is alive, and no scan is running: there is one thread.
        check("cl_engine_set_num", unsafe { ffi::cl_engine_set_num(self.0.as_ptr(), field, value) })
    }
}

// === impl EngineError ===

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, text(ffi::cl_strerror(self.code)))
    }
}

impl std::error::Error for EngineError {}

/// How many signatures a folder holds, by libclamav's own count of lines and headers.
pub(crate) fn count_signatures(path: &CStr) -> Result<u64, EngineError> {
    let mut count = 0;
    // SAFETY: path and count are alive during the call.
    check("cl_countsigs", unsafe {
        ffi::cl_countsigs(path.as_ptr(), ffi::CL_COUNTSIGS_ALL, &raw mut count)
    })?;
    Ok(u64::from(count))
}

/// Unpacks a container of signature files into an empty folder, without looking at its signature.
pub(crate) fn unpack(file: &CStr, folder: &CStr) -> Result<(), EngineError> {
    // SAFETY: both strings are alive during the call.
    check("cl_cvdunpack", unsafe { ffi::cl_cvdunpack(file.as_ptr(), folder.as_ptr(), true) })
}

/// Whether hashes can be computed. The first one makes OpenSSL read its settings, which a worker cannot.
pub(crate) fn has_hashes() -> bool {
    // SHA-256 of nothing, by FIPS 180-4.
    const BEGINNING: [u8; 8] = [0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14];
    let (mut digest, mut length) = ([0_u8; 32], 0);
    // SAFETY: of no data nothing is read; the digest has the length of a SHA-256.
    let result =
        unsafe { ffi::cl_sha256(BEGINNING.as_ptr().cast(), 0, digest.as_mut_ptr(), &raw mut length) };
    // The others, too, are made ready by their first use. Where there is none it is told when one is needed.
    let _ = digests::of(b"", Options::MD5.with(Options::SHA1));
    !result.is_null() && length == 32 && digest.starts_with(&BEGINNING)
}

/// The level of functions of this libclamav, which signatures may ask for.
pub(crate) fn functionality_level() -> u32 {
    ffi::cl_retflevel()
}

/// What libclamav calls itself, such as `1.4.6`.
pub(crate) fn version() -> String {
    text(ffi::cl_retver())
}

/// The options of a request in libclamav's words.
fn scan_options(options: Options, image_hashes: bool) -> ScanOptions {
    let when = |wanted: Options, bits: u32| if options.has(wanted) { bits } else { 0 };
    ScanOptions {
        // All matches: a heuristic name must never hide a signature's, nor one reason another.
        general: ffi::GENERAL_ALLMATCHES | when(Options::HEURISTICS, ffi::GENERAL_HEURISTICS),
        parse: ffi::PARSE_HTML
            | ffi::PARSE_IMAGE
            | if image_hashes { ffi::PARSE_IMAGE_FUZZY_HASH } else { 0 }
            | when(Options::PACKED, ffi::PARSE_PE | ffi::PARSE_ELF)
            | when(
                Options::ARCHIVES,
                ffi::PARSE_ARCHIVE
                    | ffi::PARSE_PDF
                    | ffi::PARSE_SWF
                    | ffi::PARSE_HWP3
                    | ffi::PARSE_XMLDOCS
                    | ffi::PARSE_OLE2
                    | ffi::PARSE_ONENOTE,
            )
            | when(Options::MAIL, ffi::PARSE_MAIL),
        heuristic: ffi::HEURISTIC_EXCEEDS_MAX
            | ffi::HEURISTIC_ENCRYPTED_ARCHIVE
            | ffi::HEURISTIC_ENCRYPTED_DOC
            | when(Options::PHISHING, ffi::HEURISTIC_PHISHING_SSL_MISMATCH | ffi::HEURISTIC_PHISHING_CLOAK)
            | when(Options::MACROS, ffi::HEURISTIC_MACROS)
            | when(Options::PARTITIONS, ffi::HEURISTIC_PARTITION_INTXN)
            | when(Options::BROKEN, ffi::HEURISTIC_BROKEN | ffi::HEURISTIC_BROKEN_MEDIA),
        mail: 0,
        dev: 0,
    }
}

/// A string constant of libclamav.
fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: libclamav's constants end with a zero byte and live for ever.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

fn check(call: &'static str, code: ClError) -> Result<(), EngineError> {
    if code == CL_SUCCESS { Ok(()) } else { Err(EngineError { call, code }) }
}
