//! See `icapstan_fuzz::urlencoded`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::urlencoded(data));
