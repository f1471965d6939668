//! See `icapstan_fuzz::scan_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::scan_request(data));
