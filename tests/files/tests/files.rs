//! The oracles on what fuzzing has found worth keeping, and on files made up of what they are made
//! of, always the same ones.

use std::path::Path;

use libmqtt_files::{configuration, passwords, rights};
use libmqtt_oracles::{hex, scripts};

/// Runs an oracle; the input that breaks it is printed.
fn hold(oracle: fn(&[u8]), input: &[u8]) {
    if std::panic::catch_unwind(|| oracle(input)).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("broken by {hex}");
    }
}

fn replay(target: &str, oracle: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let text = std::fs::read_to_string(corpus.join(target).with_extension("hex")).unwrap();
    let inputs: Vec<_> = text.lines().map(hex).collect();
    assert!(inputs.len() > 5, "the corpus of {target} has only {} inputs", inputs.len());
    inputs.iter().for_each(|input| hold(oracle, input));
}

/// Texts of these words, chosen by scripts.
fn made_of(words: &[&str], count: u64) -> impl Iterator<Item = Vec<u8>> {
    scripts(count, 60).map(move |script| {
        let text: String =
            script.iter().map(|&byte| words[usize::from(byte) % words.len()]).collect();
        text.into_bytes()
    })
}

#[test]
fn files_of_rights_hold() {
    replay("file_rights", rights);
    let words = [
        "topic ",
        "topic ",
        "pattern ",
        "pattern ",
        "user ",
        "read ",
        "write ",
        "readwrite ",
        "deny ",
        "a",
        "b",
        "ada",
        "%c",
        "%u",
        "%",
        "/",
        "/",
        "/",
        "+",
        "#",
        "$SYS",
        "$",
        "x",
        "\n",
        "\n",
        "\n",
        "\n",
        " ",
        "/#\n",
        "/+\n",
        "a/",
    ];
    // The first three lines must be short to be names.
    let names = ["", "a", "ada", "a/b", "+", "#", "$SYS", "%c", "x"];
    let topics = ["a", "a/b", "ada/x", "$SYS/a", "/", "a/ada/b", "x/%c", "a/b/", "$/a"];
    for (number, mut file) in made_of(&words, 20_000).enumerate() {
        let head = format!(
            "{}\n{}\n{}\n",
            names[number % names.len()],
            names[number / 7 % names.len()],
            topics[number / 5 % topics.len()]
        );
        file.splice(0..0, head.bytes());
        hold(rights, &file);
    }
}

#[test]
fn files_of_passwords_hold() {
    replay("file_passwords", passwords);
    let words = [
        "ada",
        "bob",
        ":",
        ":",
        "$7$",
        "$6$",
        "$",
        "101",
        "0",
        "cCykYhoSq8PlbnOt",
        "\n",
        "\n",
        "#",
        " ",
        "alKFjLC5k+2/DTuHI4yH4uN6kBzgGfV0dJJdU7Sy5g5NtPWAJZEUsBxOAe0RL+RBSRhZ7YcQ9feILDAstuKdqA==",
        "u1:$7$101$cCykYhoSq8PlbnOt$alKFjLC5k+2/DTuHI4yH4uN6kBzgGfV0dJJdU7Sy5g5NtPWAJZEUsBxOAe0RL+RBSRhZ7YcQ9feILDAstuKdqA==\n",
    ];
    made_of(&words, 20_000).for_each(|file| hold(passwords, &file));
}

#[test]
fn configurations_hold() {
    replay("file_configuration", configuration);
    let words = [
        "listener ",
        "port ",
        "1883",
        "0",
        "-1",
        "127.0.0.1",
        " ",
        "\n",
        "\n",
        "\n",
        "max_qos ",
        "max_connections ",
        "allow_anonymous ",
        "true",
        "false",
        "password_file ",
        "acl_file ",
        "/x",
        "client_bytes_per_second ",
        "auto_id_prefix ",
        "per_listener_settings ",
        "bind_address ",
        "persistent_client_expiration ",
        "14d",
        "socket_domain ",
        "ipv6",
        "#",
        "65536",
        "protocol ",
    ];
    made_of(&words, 20_000).for_each(|file| hold(configuration, &file));
}
