//! A header of the PROXY protocol.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::proxy_headers(input));
