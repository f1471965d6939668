//! See `icapstan_fuzz::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::session(data));
