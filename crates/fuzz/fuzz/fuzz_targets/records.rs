//! See `icapstan_fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::records(data));
