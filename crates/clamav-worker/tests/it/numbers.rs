//! What stands before libc's sscanf reads as that does.

use crate::support::Folder;
use std::path::Path;
use std::process::Command;

/// Compares each text and format, read by the functions of sscanf.c and by libc's own.
const PROGRAM: &str = r#"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int sscanf_old(const char *text, const char *format, ...) __asm__("sscanf");
int sscanf_c99(const char *text, const char *format, ...) __asm__("__isoc99_sscanf");
typedef int (*scan)(const char *text, const char *format, ...);

static int differs(scan own, scan libc, const char *text, const char *format)
{
    unsigned mine[4], theirs[4];
    char mine_text[64] = "", theirs_text[64] = "";
    int a, b;

    memset(mine, 0x5a, sizeof mine);
    memset(theirs, 0x5a, sizeof theirs);
    if (strchr(format, 's')) {
        a = own(text, format, mine_text, &mine[0]);
        b = libc(text, format, theirs_text, &theirs[0]);
    } else {
        a = own(text, format, &mine[0], &mine[1], &mine[2], &mine[3]);
        b = libc(text, format, &theirs[0], &theirs[1], &theirs[2], &theirs[3]);
    }
    return a != b || memcmp(mine, theirs, sizeof mine) || strcmp(mine_text, theirs_text);
}

int main(void)
{
    static const char *const texts[] = {
        "", "0", "7", "12", "007", "1&2", "0&1&2", "12>3,4", "(1|2)", "x", "-1", "+5", " 42", "\t9", "\n1",
        "999999999", "1000000000", "4294967295", "4294967296", "99999999999999999999999", "1.5", "0x10",
        "12,34", "12-34", "S3+4", "a5b", "1:2", "0000000000012", "\xff", "3\xff" };
    static const char *const formats[] = {
        "%u", "%d", "%u,%u", "%u-%u", "%c%u%c", "S%u+%u", "%u%u", "%3u", " %u", "%x", "%40s %u", "" };
    scan libc_old = (scan)dlsym(RTLD_NEXT, "sscanf"), libc_c99 = (scan)dlsym(RTLD_NEXT, "__isoc99_sscanf");
    unsigned compared = 0;

    if (!libc_old || !libc_c99 || libc_old == sscanf_old)
        return 2;
    for (unsigned t = 0; t < sizeof texts / sizeof *texts; t++)
        for (unsigned f = 0; f < sizeof formats / sizeof *formats; f++) {
            if (differs(sscanf_old, libc_old, texts[t], formats[f])
                || differs(sscanf_c99, libc_c99, texts[t], formats[f])) {
                printf("\"%s\" by \"%s\"\n", texts[t], formats[f]);
                return 1;
            }
            compared++;
        }
    printf("%u\n", compared);
    return 0;
}
"#;

#[test]
fn numbers_are_read_as_libc_reads_them() {
    let dir = Folder::new();
    let (source, program) = (dir.path().join("numbers.c"), dir.path().join("numbers"));
    std::fs::write(&source, format!("#define _GNU_SOURCE\n{PROGRAM}")).unwrap();
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sscanf.c");
    let built = Command::new("cc")
        .args(["-Wall", "-Wno-format-security", "-fno-builtin", "-rdynamic", "-o"])
        .arg(&program)
        .arg(&source)
        .args([own, "-ldl"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new(&program).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && told.trim() == "360", "{told} {:?}", run.status);
}

/// The names of a program's or library's symbols that `nm` lists with `option`, without their versions.
fn symbols(option: &str, path: &Path) -> Vec<String> {
    let listed = Command::new("nm").args(["-D", option]).arg(path).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let last = |line: &str| Some(line.split_whitespace().last()?.split('@').next()?.to_owned());
    String::from_utf8_lossy(&listed.stdout).lines().filter_map(last).collect()
}

/// Else nothing is gained, and nobody would notice.
#[test]
fn what_libclamav_asks_for_is_what_the_program_offers() {
    let program = Path::new(env!("CARGO_BIN_EXE_icapstan-clamav-worker"));
    let linked = Command::new("ldd").arg(program).output().unwrap();
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let library = linked
        .lines()
        .find(|line| line.contains("libclamav.so"))
        .and_then(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    let offered = symbols("--defined-only", program);
    let mut asked = symbols("--undefined-only", Path::new(library.unwrap()));
    asked.retain(|name| name.ends_with("sscanf") || name == "mmap" || name == "mmap64");
    assert!(asked.iter().any(|name| name.ends_with("sscanf")), "{asked:?}");
    assert!(asked.iter().any(|name| name.starts_with("mmap")), "{asked:?}");
    for name in asked {
        assert!(offered.contains(&name), "{name}: {offered:?}");
    }
}
