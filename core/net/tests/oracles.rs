//! What must hold for any bytes: what fuzzing has found worth keeping, and arbitrary ones.

use std::path::Path;

use libmqtt_oracles::{hex, proxy_headers, proxy_tunnel, web_frames, web_handshake};
use proptest::prelude::*;

/// Replays `tests/fuzz/corpus/<target>.hex`, one input a line.
fn replay(target: &str, oracle: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let text = std::fs::read_to_string(corpus.join(target).with_extension("hex")).unwrap();
    let inputs: Vec<_> = text.lines().map(hex).collect();
    assert!(inputs.len() > 20, "the corpus of {target} has only {} inputs", inputs.len());
    inputs.iter().for_each(|input| oracle(input));
    // Cut and changed in one place they must hold as well.
    for input in inputs.iter().filter(|input| input.len() < 300) {
        for at in 0..input.len() {
            let mut changed = input.clone();
            changed[at] ^= 1 << (at % 8);
            oracle(&changed);
            oracle(&input[..at]);
        }
    }
}

#[test]
fn frames_hold() {
    replay("web_frames", web_frames);
}

#[test]
fn handshakes_hold() {
    replay("web_handshake", web_handshake);
}

#[test]
fn proxy_headers_hold() {
    replay("proxy_headers", proxy_headers);
}

#[test]
fn tunnels_hold() {
    replay("proxy_tunnel", proxy_tunnel);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_hold(input in prop::collection::vec(any::<u8>(), 0..300)) {
        web_frames(&input);
        web_handshake(&input);
        proxy_headers(&input);
        proxy_tunnel(&input);
    }
}
