//! Frames of WebSocket, as a client sends them.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::web_frames(input));
