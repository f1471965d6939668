//! See `icapstan_fuzz::zip_check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::zip_check(data));
