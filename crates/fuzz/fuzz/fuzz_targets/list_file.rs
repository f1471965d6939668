//! See `icapstan_fuzz::list_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::list_file(data));
