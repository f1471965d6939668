//! See `icapstan_fuzz::codings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::codings(data));
