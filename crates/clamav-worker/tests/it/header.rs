//! The hand-written bindings against the header that is installed.

use crate::ffi::{self, Field};
use crate::support::Folder;
use std::fmt::Write as _;
use std::process::Command;

/// The functions that are bound, as the bindings understand them.
const PROTOTYPES: &str = r"
cl_error_t (*p1)(unsigned) = cl_init;
void (*p2)(void (*)(enum cl_msg, const char *, const char *, void *)) = cl_set_clcb_msg;
const char *(*p3)(void) = cl_retver;
unsigned (*p4)(void) = cl_retflevel;
const char *(*p5)(cl_error_t) = cl_strerror;
struct cl_engine *(*p6)(void) = cl_engine_new;
cl_error_t (*p7)(struct cl_engine *, enum cl_engine_field, long long) = cl_engine_set_num;
cl_error_t (*p8)(struct cl_engine *, enum cl_engine_field, const char *) = cl_engine_set_str;
cl_error_t (*p9)(const char *, struct cl_engine *, unsigned *, unsigned) = cl_load;
cl_error_t (*p10)(const char *, unsigned, unsigned *) = cl_countsigs;
cl_error_t (*p11)(const char *, const char *, bool) = cl_cvdunpack;
cl_error_t (*p12)(struct cl_engine *) = cl_engine_compile;
void (*p13)(struct cl_engine *, void (*)(int, const char *, void *)) = cl_engine_set_clcb_virus_found;
void (*p14)(struct cl_engine *, cl_error_t (*)(int, const char *, const char **, size_t, const char *, size_t,
    const char *, uint32_t, uint32_t, void *)) = cl_engine_set_clcb_file_inspection;
void (*p15)(struct cl_engine *, cl_error_t (*)(const char *, unsigned long, const char *, unsigned long, int,
    unsigned, void *)) = cl_engine_set_clcb_meta;
cl_error_t (*p16)(int, const char *, const char **, unsigned long *, const struct cl_engine *,
    struct cl_scan_options *, void *) = cl_scandesc_callback;
unsigned char *(*p17)(const void *, size_t, unsigned char *, unsigned *) = cl_sha256;
unsigned char *(*p18)(const void *, size_t, unsigned char *, unsigned *) = cl_sha1;
unsigned char *(*p19)(const char *, const void *, size_t, unsigned char *, unsigned *) = cl_hash_data;
";

#[test]
fn constants_layouts_and_prototypes_are_those_of_the_header() {
    let constants: [(&str, i64); 54] = [
        ("CL_SUCCESS", ffi::CL_SUCCESS.into()),
        ("CL_VIRUS", ffi::CL_VIRUS.into()),
        ("CL_BREAK", ffi::CL_BREAK.into()),
        ("CL_EMEM", ffi::CL_EMEM.into()),
        ("CL_INIT_DEFAULT", ffi::CL_INIT_DEFAULT.into()),
        ("CL_DB_STDOPT", ffi::CL_DB_STDOPT.into()),
        ("CL_DB_YARA_EXCLUDE", ffi::CL_DB_YARA_EXCLUDE.into()),
        ("CL_COUNTSIGS_ALL", ffi::CL_COUNTSIGS_ALL.into()),
        ("CL_COUNT_PRECISION", ffi::COUNT_PRECISION.try_into().unwrap()),
        ("CL_ENGINE_MAX_SCANSIZE", Field::MaxScanSize as i64),
        ("CL_ENGINE_MAX_FILESIZE", Field::MaxFileSize as i64),
        ("CL_ENGINE_MAX_RECURSION", Field::MaxRecursion as i64),
        ("CL_ENGINE_MAX_FILES", Field::MaxFiles as i64),
        ("CL_ENGINE_TMPDIR", Field::TmpDir as i64),
        ("CL_ENGINE_MAX_EMBEDDEDPE", Field::MaxEmbeddedPe as i64),
        ("CL_ENGINE_MAX_HTMLNORMALIZE", Field::MaxHtmlNormalize as i64),
        ("CL_ENGINE_MAX_HTMLNOTAGS", Field::MaxHtmlNoTags as i64),
        ("CL_ENGINE_MAX_SCRIPTNORMALIZE", Field::MaxScriptNormalize as i64),
        ("CL_ENGINE_MAX_ZIPTYPERCG", Field::MaxZipTypeRcg as i64),
        ("CL_ENGINE_DISABLE_CACHE", Field::DisableCache as i64),
        ("CL_ENGINE_DISABLE_PE_STATS", Field::DisablePeStats as i64),
        ("CL_ENGINE_MAX_SCANTIME", Field::MaxScanTime as i64),
        ("CL_ENGINE_PCRE_MAX_FILESIZE", Field::PcreMaxFileSize as i64),
        ("CL_SCAN_GENERAL_ALLMATCHES", ffi::GENERAL_ALLMATCHES.into()),
        ("CL_SCAN_GENERAL_HEURISTICS", ffi::GENERAL_HEURISTICS.into()),
        ("CL_SCAN_PARSE_ARCHIVE", ffi::PARSE_ARCHIVE.into()),
        ("CL_SCAN_PARSE_ELF", ffi::PARSE_ELF.into()),
        ("CL_SCAN_PARSE_PDF", ffi::PARSE_PDF.into()),
        ("CL_SCAN_PARSE_SWF", ffi::PARSE_SWF.into()),
        ("CL_SCAN_PARSE_HWP3", ffi::PARSE_HWP3.into()),
        ("CL_SCAN_PARSE_XMLDOCS", ffi::PARSE_XMLDOCS.into()),
        ("CL_SCAN_PARSE_MAIL", ffi::PARSE_MAIL.into()),
        ("CL_SCAN_PARSE_OLE2", ffi::PARSE_OLE2.into()),
        ("CL_SCAN_PARSE_HTML", ffi::PARSE_HTML.into()),
        ("CL_SCAN_PARSE_PE", ffi::PARSE_PE.into()),
        ("CL_SCAN_PARSE_ONENOTE", ffi::PARSE_ONENOTE.into()),
        ("CL_SCAN_PARSE_IMAGE", ffi::PARSE_IMAGE.into()),
        ("CL_SCAN_PARSE_IMAGE_FUZZY_HASH", ffi::PARSE_IMAGE_FUZZY_HASH.into()),
        ("CL_SCAN_HEURISTIC_BROKEN", ffi::HEURISTIC_BROKEN.into()),
        ("CL_SCAN_HEURISTIC_BROKEN_MEDIA", ffi::HEURISTIC_BROKEN_MEDIA.into()),
        ("CL_SCAN_HEURISTIC_PARTITION_INTXN", ffi::HEURISTIC_PARTITION_INTXN.into()),
        ("CL_SCAN_HEURISTIC_EXCEEDS_MAX", ffi::HEURISTIC_EXCEEDS_MAX.into()),
        ("CL_SCAN_HEURISTIC_PHISHING_SSL_MISMATCH", ffi::HEURISTIC_PHISHING_SSL_MISMATCH.into()),
        ("CL_SCAN_HEURISTIC_PHISHING_CLOAK", ffi::HEURISTIC_PHISHING_CLOAK.into()),
        ("CL_SCAN_HEURISTIC_MACROS", ffi::HEURISTIC_MACROS.into()),
        ("CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE", ffi::HEURISTIC_ENCRYPTED_ARCHIVE.into()),
        ("CL_SCAN_HEURISTIC_ENCRYPTED_DOC", ffi::HEURISTIC_ENCRYPTED_DOC.into()),
        ("CL_MSG_WARN", ffi::MSG_WARN.into()),
        ("LAYER_ATTRIBUTES_NORMALIZED", ffi::LAYER_NORMALIZED.into()),
        ("sizeof(struct cl_scan_options)", size_of::<ffi::ScanOptions>().try_into().unwrap()),
        (
            "offsetof(struct cl_scan_options, heuristic)",
            std::mem::offset_of!(ffi::ScanOptions, heuristic).try_into().unwrap(),
        ),
        ("sizeof(cl_error_t)", size_of::<ffi::ClError>().try_into().unwrap()),
        ("sizeof(enum cl_engine_field)", size_of::<Field>().try_into().unwrap()),
        ("sizeof(enum cl_msg)", size_of::<std::ffi::c_uint>().try_into().unwrap()),
    ];
    let mut source = format!(
        "#include <clamav.h>\n#include <stddef.h>\n#include <stdint.h>\n{PROTOTYPES}int main(void) {{ return 0; }}\n"
    );
    for (name, value) in constants {
        let _ =
            writeln!(source, "_Static_assert((long long)({name}) == {value}, \"{name} is not {value}\");");
    }
    let folder = Folder::new();
    folder.file("check.c", source);
    let flags = Command::new("pkg-config").args(["--cflags", "libclamav"]).output().unwrap();
    let flags = String::from_utf8(flags.stdout).unwrap();
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Werror", "-fsyntax-only"])
        .args(flags.split_whitespace())
        .arg(folder.path().join("check.c"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}
