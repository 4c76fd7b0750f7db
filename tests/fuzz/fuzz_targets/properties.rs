//! Property sections of 5.0, wherever one may stand.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::properties(input));
