//! See `icapstan_fuzz::recoded`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::recoded(data));
