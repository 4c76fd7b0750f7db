//! A request for WebSocket, or for a page.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::web_handshake(input));
