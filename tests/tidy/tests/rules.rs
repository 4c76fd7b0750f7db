//! Each rule refuses what it is there to refuse, and nothing beside it.

use libmqtt_tidy::{Complaint, Source, rules};

type Rule = fn(&[Source]) -> Vec<Complaint>;

/// The lines of one file that a rule complains of.
fn lines(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    rule(&[Source::new(path, text)]).into_iter().map(|c| c.line).collect()
}

#[track_caller]
fn refuses(rule: Rule, path: &str, text: &str) {
    assert_eq!(lines(rule, path, text), [text.lines().count()], "{text}");
}

#[track_caller]
fn allows(rule: Rule, path: &str, text: &str) {
    assert_eq!(lines(rule, path, text), [0; 0], "{text}");
}

#[test]
fn sans_io_crates_reach_no_world() {
    for text in [
        "use std::net::TcpStream;",
        "use std::{fmt,\n fs};",
        "use std::{fmt::{self}, collections::{BTreeMap,\n HashMap}};",
        "fn f() {\n std::thread::yield_now();",
        "fn f(at: ::std::time::Instant",
        "use std::collections::hash_map::Entry;",
        "use std::collections::*;",
        "use std::collections;",
        "use std::hash::RandomState;",
        "use std as s;",
        "use std::*;",
    ] {
        refuses(rules::sans_io, "core/engine/src/a.rs", text);
        refuses(rules::sans_io, "core/codec/src/a/b.rs", text);
        allows(rules::sans_io, "core/runtime/src/a.rs", text);
        allows(rules::sans_io, "core/engine/tests/a.rs", text);
    }
    for text in [
        "use core::net::IpAddr; use core::time::Duration;",
        "use std::{collections::{BTreeMap, VecDeque}, sync::Arc};",
        "// std::net\nlet s = \"std::fs\"; let r = r#\"std::time\"#;",
        "let x = our::std::net::y;",
    ] {
        allows(rules::sans_io, "core/engine/src/a.rs", text);
    }
    refuses(rules::sans_io, "core/engine/Cargo.toml", "[dependencies]\nmio = \"1\"");
    allows(rules::sans_io, "core/net/Cargo.toml", "[dependencies]\nmio = \"1\"");
}

#[test]
fn crates_use_each_other_in_one_direction() {
    for (home, name) in [
        ("core/engine", "libmqtt-net"),
        ("core/net", "libmqtt-engine"),
        ("core/net", "libmqtt-codec"),
        ("core/codec", "libmqtt-engine"),
        ("core/runtime", "libmqtt-cli"),
        ("bindings/cli", "libmqtt-engine"),
    ] {
        let manifest = format!("{home}/Cargo.toml");
        refuses(rules::arrows, &manifest, &format!("[dependencies]\n{name}.workspace = true"));
        refuses(
            rules::arrows,
            &manifest,
            &format!("[dev-dependencies]\nx = {{ package = \"{name}\" }}"),
        );
        let path = format!("{home}/src/a.rs");
        let module = name.replace('-', "_");
        refuses(rules::arrows, &path, &format!("use {module}::Thing;"));
        refuses(rules::arrows, &path, &format!("use {module} as x;"));
        allows(rules::arrows, &path, &format!("// {module}::Thing"));
    }
    allows(
        rules::arrows,
        "core/engine/Cargo.toml",
        "[dependencies]\nlibmqtt-codec.workspace = true",
    );
    allows(rules::arrows, "core/runtime/src/a.rs", "use libmqtt_engine::x; use libmqtt_net::y;");
    allows(rules::arrows, "core/codec/tests/a.rs", "use libmqtt_codec::Packet;");
    allows(rules::arrows, "tests/sim/src/a.rs", "use libmqtt_codec::x; use libmqtt_net::y;");
}

#[test]
fn unsafe_lives_in_the_glue() {
    for text in ["unsafe { x() }", "fn f() {}\nunsafe fn g() {}", "unsafe impl Send for X {}"] {
        refuses(rules::unsafe_code, "core/net/src/a.rs", text);
        refuses(rules::unsafe_code, "examples/rust/a.rs", text);
        allows(rules::unsafe_code, "ffi/src/a.rs", text);
        allows(rules::unsafe_code, "bindings/node/src/a.rs", text);
    }
    allows(rules::unsafe_code, "core/net/src/a.rs", "#![forbid(unsafe_code)] // unsafe \"unsafe\"");
}

#[test]
fn every_crate_of_core_forbids_it() {
    let check = |path, text| rules::unsafe_forbidden(&[Source::new(path, text)]).len();
    assert_eq!(check("core/net/src/lib.rs", "//! Net.\n// #![forbid(unsafe_code)]"), 1);
    assert_eq!(check("core/net/src/lib.rs", "//! Net.\n#![forbid(unsafe_code)]"), 0);
    assert_eq!(check("core/net/src/tcp.rs", ""), 0);
}

#[test]
fn stubs_and_tests_switched_off_are_refused() {
    for text in [
        "fn f() { todo!() }",
        "fn f() {\n unimplemented!(\"later\") }",
        "dbg!(x);",
        "#[ignore] fn f() {}",
        "#[test]\n#[ignore = \"slow\"]",
    ] {
        refuses(rules::stubs, "core/codec/src/a.rs", text);
    }
    allows(rules::stubs, "core/codec/src/a.rs", "// todo!()\nlet todo = \"todo!()\"; ignore(x);");
    let mark = |words: [&str; 2], rest: &str| format!("{}.{}{rest}", words[0], words[1]);
    refuses(rules::stubs, "tests/a.py", &mark(["@pytest.mark", "skip"], ""));
    refuses(rules::stubs, "tests/a.mjs", &mark(["test", "skip"], "('x', () => {})"));
    allows(rules::stubs, "tests/a.py", "def test_skip(): pass");
}

#[test]
fn the_library_does_not_print() {
    refuses(rules::printing, "core/net/src/a.rs", "fn f() { println!(\"x\"); }");
    refuses(rules::printing, "core/net/src/a.rs", "eprintln!();");
    allows(rules::printing, "core/net/src/a.rs", "/// println!(\"x\")\nfn print() {}");
    allows(rules::printing, "bindings/cli/src/a.rs", "println!(\"x\");");
}

/// A small table for each version, and a file that cites from it.
fn cited(text: &str) -> Vec<usize> {
    let table = |ids: &[u32]| {
        let row = |n: &u32| format!("MQTT-1.2.3-{n},\"a, b\"\n");
        format!("id,paraphrase\n{}", ids.iter().map(row).collect::<String>())
    };
    let rule = "version,key,section,role\n5.0,V5-U01,1,both\n";
    let tree = [
        Source::new("tests/vectors/mqtt5-statements.csv", table(&[1, 2])),
        Source::new("tests/vectors/mqtt311-statements.csv", table(&[2, 3])),
        Source::new("tests/vectors/unnumbered-rules.csv", rule),
        Source::new("core/engine/src/a.rs", text),
    ];
    rules::statement_ids(&tree).into_iter().map(|c| c.line).collect()
}

#[test]
fn cited_statements_exist() {
    let id = |n: u32| format!("MQTT-1.2.3-{n}");
    let (a, b, c, d) = (id(1), id(2), id(3), id(4));
    assert_eq!(cited(&format!("// v5 [{a}] [{b}] v311 [{b}], [{c}]")), [0; 0]);
    assert_eq!(cited(&format!("f(); // v5 [{a}]\n// v5 [{c}]")), [2]);
    assert_eq!(cited(&format!("// v311 [{b}] [{a}]")), [1]);
    assert_eq!(cited(&format!("// [{a}]")), [1], "without a version");
    assert_eq!(
        cited(&format!("// v5 [{a}]\n\nf(); // [{a}]")),
        [3],
        "the version does not carry on"
    );
    assert_eq!(cited(&format!("/// v5 [{d}]")), [1]);
    assert_eq!(cited(&format!("let x = \"{a} and {c}\";")), [0; 0]);
    assert_eq!(cited(&format!("let x =\n \"{d}\";")), [2]);
    let rule = |n: &str| format!("// V5-U{n}");
    assert_eq!(cited(&rule("01")), [0; 0]);
    assert_eq!(cited(&rule("02")), [1]);
}

#[test]
fn files_stay_short() {
    let check = |path, lines| rules::long_files(&[Source::new(path, "x\n".repeat(lines))]).len();
    assert_eq!(check("core/net/src/a.rs", 901), 1);
    assert_eq!(check("core/net/src/a.rs", 900), 0);
    assert_eq!(check("tests/interop/a.py", 901), 1);
    assert_eq!(check("tests/vectors/a.csv", 5000), 0);
}

#[test]
fn no_place_is_named() {
    for words in [["/wo", "rk/x"], ["https://registry.", "npmjs.org/x"], ["https://pypi.", "org/x"]]
    {
        refuses(rules::places, "README.md", &format!("a\n{}", words.concat()));
        allows(rules::places, "Cargo.lock", &words.concat());
    }
    allows(rules::places, "README.md", "a network/workday\n");
}

#[test]
fn all_manifests_have_one_version() {
    let check = |path, text: &str| {
        let root = Source::new("Cargo.toml", "[workspace.package]\nversion = \"1.2.3\"");
        rules::versions(&[root, Source::new(path, text)]).len()
    };
    assert_eq!(check("a/Cargo.toml", "[package]\nversion = \"1.2.2\""), 1);
    assert_eq!(check("a/Cargo.toml", "[package]\nversion.workspace = true"), 0);
    assert_eq!(check("a/Cargo.toml", "[dependencies.x]\nversion = \"7\""), 0);
    assert_eq!(check("a/package.json", "{\n  \"version\": \"1.2.4\",\n}"), 1);
    assert_eq!(check("a/package.json", "{\n  \"version\": \"1.2.3\",\n}"), 0);
    assert_eq!(check("a/pyproject.toml", "[project]\nversion = \"1.2.4\""), 1);
    assert_eq!(rules::versions(&[]).len(), 1, "no version at all");
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    let check = |path| rules::top_level(&[Source::new(path, "")]).len();
    assert_eq!(check("notes.txt"), 1);
    assert_eq!(check("scripts/x.sh"), 1);
    assert_eq!(check("core/codec/src/lib.rs"), 0);
    assert_eq!(check(".ci/run"), 0);
}
