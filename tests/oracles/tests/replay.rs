//! Runs what fuzzing has found worth keeping through the oracles, as ordinary tests.

use std::path::Path;

use libmqtt_oracles::{
    broker_machine, client_machine, client_v3, client_v5, hex, properties, server, topics,
};

/// Replays `tests/fuzz/corpus/<target>.hex`, one input a line.
fn replay(target: &str, oracle: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let text = std::fs::read_to_string(corpus.join(target).with_extension("hex")).unwrap();
    let inputs: Vec<_> = text.lines().map(hex).collect();
    assert!(inputs.len() > 20, "the corpus of {target} has only {} inputs", inputs.len());
    inputs.iter().for_each(|input| oracle(input));
}

#[test]
fn codec_client_v3_holds() {
    replay("codec_client_v3", client_v3);
}

#[test]
fn codec_client_v5_holds() {
    replay("codec_client_v5", client_v5);
}

#[test]
fn codec_server_holds() {
    replay("codec_server", server);
}

#[test]
fn broker_machine_holds() {
    replay("broker_machine", broker_machine);
}

#[test]
fn client_machine_holds() {
    replay("client_machine", client_machine);
}

#[test]
fn topics_holds() {
    replay("topics", topics);
}

#[test]
fn properties_holds() {
    replay("properties", properties);
}
