//! What is used of `<clamav.h>`, written by hand: no generator and no libclang at build time.
//!
//! The numbers and layouts are those of libclamav 1.4 and 1.5. `tests/header.rs` compares each of
//! them with the installed header by means of the C compiler.

#![allow(unsafe_code, reason = "foreign functions are declared here")]

use std::ffi::{c_char, c_int, c_longlong, c_uchar, c_uint, c_ulong, c_void};

/// `cl_error_t`.
pub(crate) type ClError = c_uint;

/// `CL_CLEAN` and `CL_SUCCESS`.
pub(crate) const CL_SUCCESS: ClError = 0;
/// `CL_VIRUS`.
pub(crate) const CL_VIRUS: ClError = 1;
/// `CL_BREAK`.
pub(crate) const CL_BREAK: ClError = 22;

/// `CL_EMEM`.
pub(crate) const CL_EMEM: ClError = 20;

/// `CL_INIT_DEFAULT`.
pub(crate) const CL_INIT_DEFAULT: c_uint = 0;

/// `CL_DB_PHISHING | CL_DB_PHISHING_URLS | CL_DB_BYTECODE`.
pub(crate) const CL_DB_STDOPT: c_uint = 0x200a;
/// `CL_DB_YARA_EXCLUDE`.
pub(crate) const CL_DB_YARA_EXCLUDE: c_uint = 0x0010_0000;

/// `CL_COUNTSIGS_ALL`.
pub(crate) const CL_COUNTSIGS_ALL: c_uint = 3;

/// `enum cl_engine_field`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Field {
    MaxScanSize = 0,
    MaxFileSize = 1,
    MaxRecursion = 2,
    MaxFiles = 3,
    TmpDir = 13,
    MaxEmbeddedPe = 18,
    MaxHtmlNormalize = 19,
    MaxHtmlNoTags = 20,
    MaxScriptNormalize = 21,
    MaxZipTypeRcg = 22,
    DisableCache = 25,
    DisablePeStats = 26,
    MaxScanTime = 31,
    PcreMaxFileSize = 34,
}

/// `CL_COUNT_PRECISION`: scanned bytes are counted in units of this.
pub(crate) const COUNT_PRECISION: u64 = 4096;

/// `LAYER_ATTRIBUTES_NORMALIZED`: another view of the layer around, and no part of it.
pub(crate) const LAYER_NORMALIZED: u32 = 1;

pub(crate) const GENERAL_ALLMATCHES: u32 = 0x1;
pub(crate) const GENERAL_HEURISTICS: u32 = 0x4;

pub(crate) const PARSE_ARCHIVE: u32 = 0x1;
pub(crate) const PARSE_ELF: u32 = 0x2;
pub(crate) const PARSE_PDF: u32 = 0x4;
pub(crate) const PARSE_SWF: u32 = 0x8;
pub(crate) const PARSE_HWP3: u32 = 0x10;
pub(crate) const PARSE_XMLDOCS: u32 = 0x20;
pub(crate) const PARSE_MAIL: u32 = 0x40;
pub(crate) const PARSE_OLE2: u32 = 0x80;
pub(crate) const PARSE_HTML: u32 = 0x100;
pub(crate) const PARSE_PE: u32 = 0x200;
pub(crate) const PARSE_ONENOTE: u32 = 0x400;
pub(crate) const PARSE_IMAGE: u32 = 0x800;
pub(crate) const PARSE_IMAGE_FUZZY_HASH: u32 = 0x1000;

pub(crate) const HEURISTIC_BROKEN: u32 = 0x2;
pub(crate) const HEURISTIC_EXCEEDS_MAX: u32 = 0x4;
pub(crate) const HEURISTIC_PHISHING_SSL_MISMATCH: u32 = 0x8;
pub(crate) const HEURISTIC_PHISHING_CLOAK: u32 = 0x10;
pub(crate) const HEURISTIC_MACROS: u32 = 0x20;
pub(crate) const HEURISTIC_ENCRYPTED_ARCHIVE: u32 = 0x40;
pub(crate) const HEURISTIC_ENCRYPTED_DOC: u32 = 0x80;
pub(crate) const HEURISTIC_PARTITION_INTXN: u32 = 0x100;
pub(crate) const HEURISTIC_BROKEN_MEDIA: u32 = 0x2000;

/// `CL_MSG_WARN`.
pub(crate) const MSG_WARN: c_uint = 64;

/// `struct cl_engine`: never looked into.
#[repr(C)]
pub(crate) struct ClEngine {
    opaque: [u8; 0],
}

/// `struct cl_scan_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanOptions {
    pub(crate) general: u32,
    pub(crate) parse: u32,
    pub(crate) heuristic: u32,
    pub(crate) mail: u32,
    pub(crate) dev: u32,
}

/// `clcb_msg`.
pub(crate) type MessageCallback =
    extern "C" fn(severity: c_uint, full: *const c_char, text: *const c_char, context: *mut c_void);

/// `clcb_virus_found`.
pub(crate) type VirusFound = extern "C" fn(fd: c_int, name: *const c_char, context: *mut c_void);

/// `clcb_file_inspection`.
pub(crate) type FileInspection = extern "C" fn(
    fd: c_int,
    file_type: *const c_char,
    ancestors: *const *const c_char,
    parent_size: usize,
    name: *const c_char,
    size: usize,
    bytes: *const c_char,
    level: u32,
    attributes: u32,
    context: *mut c_void,
) -> ClError;

/// `clcb_meta`.
pub(crate) type Meta = extern "C" fn(
    container_type: *const c_char,
    container_size: c_ulong,
    name: *const c_char,
    size: c_ulong,
    encrypted: c_int,
    position: c_uint,
    context: *mut c_void,
) -> ClError;

unsafe extern "C" {
    pub(crate) safe fn cl_init(options: c_uint) -> ClError;
    pub(crate) safe fn cl_set_clcb_msg(callback: MessageCallback);
    pub(crate) safe fn cl_retver() -> *const c_char;
    pub(crate) safe fn cl_retflevel() -> c_uint;
    pub(crate) safe fn cl_strerror(code: ClError) -> *const c_char;

    pub(crate) fn cl_sha256(
        data: *const c_void,
        length: usize,
        digest: *mut c_uchar,
        digest_length: *mut c_uint,
    ) -> *mut c_uchar;

    pub(crate) fn cl_sha1(
        data: *const c_void,
        length: usize,
        digest: *mut c_uchar,
        digest_length: *mut c_uint,
    ) -> *mut c_uchar;

    pub(crate) fn cl_hash_data(
        algorithm: *const c_char,
        data: *const c_void,
        length: usize,
        digest: *mut c_uchar,
        digest_length: *mut c_uint,
    ) -> *mut c_uchar;

    pub(crate) safe fn cl_engine_new() -> *mut ClEngine;
    pub(crate) fn cl_engine_set_num(engine: *mut ClEngine, field: Field, value: c_longlong) -> ClError;
    pub(crate) fn cl_engine_set_str(engine: *mut ClEngine, field: Field, value: *const c_char) -> ClError;

    pub(crate) fn cl_load(
        path: *const c_char,
        engine: *mut ClEngine,
        count: *mut c_uint,
        options: c_uint,
    ) -> ClError;
    pub(crate) fn cl_countsigs(path: *const c_char, options: c_uint, count: *mut c_uint) -> ClError;
    pub(crate) fn cl_cvdunpack(file: *const c_char, folder: *const c_char, unverified: bool) -> ClError;
    pub(crate) fn cl_engine_compile(engine: *mut ClEngine) -> ClError;

    pub(crate) fn cl_engine_set_clcb_virus_found(engine: *mut ClEngine, callback: VirusFound);
    pub(crate) fn cl_engine_set_clcb_file_inspection(engine: *mut ClEngine, callback: FileInspection);
    pub(crate) fn cl_engine_set_clcb_meta(engine: *mut ClEngine, callback: Meta);

    pub(crate) fn cl_scandesc_callback(
        fd: c_int,
        name: *const c_char,
        virus: *mut *const c_char,
        scanned: *mut c_ulong,
        engine: *const ClEngine,
        options: *mut ScanOptions,
        context: *mut c_void,
    ) -> ClError;
}
