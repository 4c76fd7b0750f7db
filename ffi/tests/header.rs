//! The committed header is the one that the source gives, and `symbols.txt` lists what is in it.
//!
//! `UPDATE_HEADER=1 cargo test -p libmqtt --test header` writes both anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(here("cbindgen.toml")).unwrap();
    let mut header = Vec::new();
    cbindgen::generate_with_config(here("."), config).unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

/// Compares, or writes if asked to.
fn agree(path: &Path, wanted: &str) {
    if env::var_os("UPDATE_HEADER").is_some() {
        fs::write(path, wanted).unwrap();
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    assert!(there == wanted, "{} is not up to date: UPDATE_HEADER=1 writes it", path.display());
}

/// Every function and constant of a header.
fn symbols(header: &str) -> Vec<String> {
    let mut found = Vec::new();
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut comment = false;
    for line in header.lines() {
        let line = line.trim();
        comment |= line.starts_with("/*");
        if comment {
            comment = !line.ends_with("*/");
            continue;
        }
        if let Some(name) = line.strip_prefix("#define MQTT_") {
            found.push(format!("MQTT_{}", word(name)));
        } else if line.starts_with("MQTT_") {
            found.push(word(line));
        } else if let Some((before, _)) = line.split_once('(')
            && !line.starts_with("typedef")
            && !before.contains("(*")
        {
            let name = before.rsplit([' ', '*']).next().unwrap_or_default();
            if name.starts_with("mqtt_") {
                found.push(name.to_owned());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_header_is_that_of_the_source() {
    agree(&here("../include/libmqtt.h"), &generate());
}

#[test]
fn symbols_lists_the_header_and_what_was_there_is_still_there() {
    let path = here("symbols.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let since: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .collect();
    let now = symbols(&generate());
    for symbol in since.keys() {
        assert!(now.iter().any(|name| name == symbol), "{symbol} is gone: the soname must move");
    }
    let version = env!("CARGO_PKG_VERSION");
    let (version, _) = version.rsplit_once('.').unwrap();
    let mut wanted =
        String::from("# Every function and constant, and the version that brought it.\n");
    for symbol in &now {
        let version = since.get(symbol.as_str()).unwrap_or(&version);
        wanted += &format!("{symbol} {version}\n");
    }
    agree(&path, &wanted);
}

#[test]
fn every_function_says_who_may_call_it_and_since_when() {
    let header = generate();
    let mut comment = String::new();
    let mut functions = 0;
    let mut inside = false;
    for line in header.lines() {
        if line.starts_with("/*") {
            comment.clear();
            inside = true;
        }
        if inside {
            comment += line;
            inside = !line.ends_with("*/");
        } else if let Some((name, _)) = line.split_once('(')
            && !line.starts_with([' ', '#'])
            && !line.starts_with("typedef")
        {
            functions += 1;
            assert!(comment.contains("Thread: "), "{name} does not say Thread");
            assert!(comment.contains("Since: "), "{name} does not say Since");
        }
    }
    assert!(functions > 100, "{functions} functions");
}
