//! Digests of what lies inside of an object, computed by libclamav's own functions.

#![allow(unsafe_code, reason = "foreign functions write into buffers")]

use crate::ffi;
use icapstan_clamav_wire::{FileDigests, Options};
use std::ffi::{c_uchar, c_uint, c_void};

/// Those digests of `bytes` that are asked for. `None` if one cannot be computed.
pub(crate) fn of(bytes: &[u8], wanted: Options) -> Option<FileDigests> {
    let mut digests = FileDigests { len: bytes.len() as u64, ..FileDigests::default() };
    if wanted.has(Options::MD5) {
        digests.md5 = digest(bytes, |data, len, digest, length| {
            // SAFETY: see `digest`; the name ends with a zero byte.
            unsafe { ffi::cl_hash_data(c"md5".as_ptr(), data, len, digest, length) }
        })?;
    }
    if wanted.has(Options::SHA1) {
        // SAFETY: see `digest`.
        digests.sha1 =
            digest(bytes, |data, len, digest, length| unsafe { ffi::cl_sha1(data, len, digest, length) })?;
    }
    if wanted.has(Options::SHA256) {
        // SAFETY: see `digest`.
        digests.sha256 =
            digest(bytes, |data, len, digest, length| unsafe { ffi::cl_sha256(data, len, digest, length) })?;
    }
    Some(digests)
}

/// Calls `compute` with as many bytes as it is told of, and room for the longest digest that there is.
fn digest<const N: usize>(
    bytes: &[u8],
    compute: impl FnOnce(*const c_void, usize, *mut c_uchar, *mut c_uint) -> *mut c_uchar,
) -> Option<[u8; N]> {
    /// `EVP_MAX_MD_SIZE` of OpenSSL.
    const MOST: usize = 64;
    let (mut digest, mut length) = ([0; MOST], 0);
    let result = compute(bytes.as_ptr().cast(), bytes.len(), digest.as_mut_ptr(), &raw mut length);
    let is_whole = !result.is_null() && usize::try_from(length) == Ok(N);
    digest.first_chunk().copied().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards_and_no_others_are_computed() {
        let all = Options::MD5.with(Options::SHA1).with(Options::SHA256);
        let digests = of(b"abc", all).unwrap();
        assert_eq!(digests.len, 3);
        assert_eq!(digests.md5[..4], [0x90, 0x01, 0x50, 0x98]);
        assert_eq!(digests.sha1[..4], [0xa9, 0x99, 0x3e, 0x36]);
        assert_eq!(digests.sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
        let one = of(b"abc", Options::SHA1).unwrap();
        assert_eq!((one.md5, one.sha1, one.sha256), ([0; 16], digests.sha1, [0; 32]));
    }
}
