//! See `icapstan_fuzz::handover`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::handover(data));
