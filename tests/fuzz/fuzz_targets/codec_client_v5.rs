//! What a Client of 5.0 sends.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::client_v5(input));
