//! What a proxy says to a client.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::proxy_tunnel(input));
