//! What libclamav would otherwise look for on disk in the middle of a scan, loaded before the first fork.
//!
//! A worker can open nothing outside its temporary folder. Where libclamav cannot load the converter of a
//! charset, it takes a page for mere text, without a word; where OpenSSL cannot read its settings, it may
//! have no hashes to give; without the time zone, times are off.

#![allow(unsafe_code, reason = "loading of libraries")]

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What libclamav converts from to see whether text is a page.
const NEEDED: [&CStr; 4] = [c"UTF-16LE", c"UTF-16BE", c"UCS-4LE", c"UCS-4BE"];
/// The converter of some of them, wherever converters are files of their own.
const SAMPLE: &str = "UTF-16.so";

unsafe extern "C" {
    /// Reads the time zone. From then on it is not read again unless `TZ` changes.
    safe fn tzset();
}

/// Loads the time zone and the converters of all charsets, of which workers inherit the memory.
pub(crate) fn load() -> io::Result<()> {
    tzset();
    for charset in NEEDED {
        // SAFETY: both are strings that end with a zero byte. Never closed: it stays as it is in each worker.
        let converter = unsafe { libc::iconv_open(c"UTF-16BE".as_ptr(), charset.as_ptr()) };
        if converter.addr() == usize::MAX {
            return Err(io::Error::other(format!(
                "the C library does not know {}",
                charset.to_string_lossy()
            )));
        }
    }
    let Some(folder) = converters()? else { return Ok(()) };
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            open(&path)?;
        }
    }
    Ok(())
}

/// Where the C library has the converters. Nowhere, if they are a part of it.
fn converters() -> io::Result<Option<PathBuf>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let paths = maps.lines().filter_map(|line| Some(Path::new(&line[line.find('/')?..])));
    let sample =
        paths.filter(|path| path.file_name().is_some_and(|name| name == SAMPLE)).find_map(Path::parent);
    Ok(sample.map(Path::to_owned))
}

/// Loads a library for ever. By the same path the C library finds it without a look at the disk.
fn open(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a string that ends with a zero byte. What the library does when it is loaded is the C
    // library's own business, of which it is a part.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
    if handle.is_null() {
        return Err(io::Error::other(format!("{} cannot be loaded", path.display())));
    }
    Ok(())
}
