//! See `icapstan_fuzz::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::response(data));
