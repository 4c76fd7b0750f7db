//! The rules, one function each.

use crate::statements::Catalogue;
use crate::{Complaint, Rust, Source, manifest};

/// Everything that is wrong with the tree.
pub fn all(tree: &[Source]) -> Vec<Complaint> {
    let rules = [
        sans_io,
        arrows,
        unsafe_code,
        unsafe_forbidden,
        stubs,
        printing,
        statement_ids,
        long_files,
        places,
        versions,
        top_level,
    ];
    let mut found: Vec<_> = rules.iter().flat_map(|rule| rule(tree)).collect();
    found.sort();
    found.dedup();
    found
}

const SANS_IO: [&str; 2] = ["core/codec", "core/engine"];

/// The sans-IO crates reach no socket, thread, file, clock or random order.
pub fn sans_io(tree: &[Source]) -> Vec<Complaint> {
    let mut found = Vec::new();
    for file in tree.iter().filter(|f| f.below(&["core/codec/src", "core/engine/src"])) {
        for path in rust(file).into_iter().flat_map(|r| r.paths("std")) {
            let segments: Vec<_> = path.segments.iter().map(String::as_str).collect();
            let reaches = match segments[1..] {
                [] | ["*" | "net" | "fs" | "thread" | "time" | "process" | "env" | "os", ..] => {
                    true
                }
                ["collections"] => true,
                ["collections", name, ..] => {
                    ["HashMap", "HashSet", "hash_map", "hash_set", "*", "self"].contains(&name)
                }
                ["hash", name, ..] => ["RandomState", "DefaultHasher", "*"].contains(&name),
                _ => false,
            };
            if reaches {
                found.push(at(
                    file,
                    path.line,
                    format!("a sans-IO crate uses {}", segments.join("::")),
                ));
            }
        }
    }
    for file in tree.iter().filter(|f| f.below(&SANS_IO) && f.path.ends_with("Cargo.toml")) {
        for (name, line) in manifest::dependencies(&file.text) {
            if ["mio", "socket2", "libc", "getrandom", "rand", "rustls"].contains(&name.as_str()) {
                found.push(at(file, line, format!("a sans-IO crate depends on {name}")));
            }
        }
    }
    found
}

/// Which of our crates a crate may use.
const ARROWS: [(&str, &[&str]); 7] = [
    ("core/codec", &[]),
    ("core/locks", &[]),
    ("core/engine", &["libmqtt-codec", "libmqtt-locks"]),
    ("core/net", &["libmqtt-locks"]),
    ("core/runtime", &["libmqtt-engine", "libmqtt-net", "libmqtt-locks"]),
    ("ffi", &["libmqtt-runtime", "libmqtt-locks"]),
    ("bindings", &["libmqtt-runtime", "libmqtt-cli", "libmqtt-locks"]),
];

const OURS: [&str; 7] = [
    "libmqtt-codec",
    "libmqtt-engine",
    "libmqtt-locks",
    "libmqtt-net",
    "libmqtt-runtime",
    "libmqtt-cli",
    "libmqtt",
];

/// Crates use each other in one direction only.
pub fn arrows(tree: &[Source]) -> Vec<Complaint> {
    let mut found = Vec::new();
    for file in tree {
        let Some((home, allowed)) = ARROWS.iter().find(|(home, _)| file.below(&[home])) else {
            continue;
        };
        let strange = |name: &str| OURS.contains(&name) && !allowed.contains(&name);
        if file.path.ends_with("Cargo.toml") {
            for (name, line) in manifest::dependencies(&file.text) {
                if strange(&name) {
                    found.push(at(file, line, format!("{home} may not depend on {name}")));
                }
            }
        }
        let own = OURS.iter().find(|name| home.ends_with(name.trim_start_matches("libmqtt-")));
        let Some(rust) = rust(file) else { continue };
        for name in OURS.iter().filter(|name| strange(name) && Some(*name) != own) {
            for path in rust.paths(&name.replace('-', "_")) {
                found.push(at(file, path.line, format!("{home} may not use {name}")));
            }
        }
    }
    found
}

/// `unsafe` lives in ffi and in the bindings' glue.
pub fn unsafe_code(tree: &[Source]) -> Vec<Complaint> {
    words(tree.iter().filter(|f| !f.below(&["ffi", "bindings"])), |tokens| {
        (tokens[0] == "unsafe").then_some("unsafe outside ffi and bindings")
    })
}

/// Every crate of core forbids it to the compiler as well.
pub fn unsafe_forbidden(tree: &[Source]) -> Vec<Complaint> {
    let roots = tree.iter().filter(|f| f.below(&["core"]) && f.path.ends_with("/src/lib.rs"));
    let forbids = |f: &&Source| !Rust::new(&f.text).code.contains("#![forbid(unsafe_code)]");
    roots.filter(forbids).map(|f| at(f, 0, "no #![forbid(unsafe_code)]")).collect()
}

/// Nothing is a stub, and no test is switched off.
pub fn stubs(tree: &[Source]) -> Vec<Complaint> {
    let mut found = words(tree.iter(), |tokens| match tokens {
        ["todo" | "unimplemented" | "dbg", "!", "(" | "{" | "[", ..] => Some("a stub"),
        ["#", "[", "ignore", ..] => Some("a test that is switched off"),
        _ => None,
    });
    let marks = [
        concat!("pytest.mark.", "skip"),
        concat!("pytest.mark.", "xfail"),
        concat!("pytest.", "skip("),
        concat!("it.", "skip("),
        concat!("test.", "skip("),
        concat!("describe.", "skip("),
        concat!("test.", "only("),
    ];
    let scripts = ["py", "js", "mjs", "cjs", "ts"];
    found.extend(lines(tree.iter().filter(|f| f.is(&scripts)), |line| {
        marks.iter().any(|m| line.contains(m)).then(|| "a test that is switched off".to_owned())
    }));
    found
}

/// A library does not print; it has hooks and the `log` facade.
pub fn printing(tree: &[Source]) -> Vec<Complaint> {
    let core = tree.iter().filter(|f| f.below(&["core"]) && f.path.contains("/src/"));
    words(core, |tokens| match tokens {
        ["println" | "eprintln" | "print" | "eprint", "!", ..] => Some("a library that prints"),
        _ => None,
    })
}

/// Statement ids cited in comments and strings exist, in the version they are cited for.
pub fn statement_ids(tree: &[Source]) -> Vec<Complaint> {
    let known = Catalogue::new(tree);
    let mut found = Vec::new();
    for file in tree {
        let Some(rust) = rust(file) else { continue };
        for citation in crate::statements::citations(&rust.comments) {
            if !known.has(citation.version, &citation.id) {
                let what = match citation.version {
                    Some(version) => format!("{} has no statement {}", version, citation.id),
                    None => format!("{} is cited without its version", citation.id),
                };
                found.push(at(file, citation.line, what));
            }
        }
        for (line, text) in rust.strings.lines().enumerate() {
            for id in crate::statements::ids(text).filter(|id| !known.has_in_any(id)) {
                found.push(at(file, line + 1, format!("no version has a statement {id}")));
            }
        }
    }
    found
}

const LINES_MAX: usize = 900;

/// No file is so long that there must be a second noun in it.
pub fn long_files(tree: &[Source]) -> Vec<Complaint> {
    let code = ["rs", "py", "pyi", "js", "mjs", "cjs", "ts", "c", "h", "hpp", "cpp", "sh", "md"];
    let long = |f: &&Source| {
        f.is(&code) && !f.path.ends_with(".d.ts") && f.text.lines().count() > LINES_MAX
    };
    let generated = |f: &&Source| f.path == "include/libmqtt.h";
    let files = tree.iter().filter(|f| !generated(f)).filter(long);
    files.map(|f| at(f, 0, format!("over {LINES_MAX} lines"))).collect()
}

/// Nothing names a folder of the machine it was written on, or a package registry's host.
pub fn places(tree: &[Source]) -> Vec<Complaint> {
    let refused = [
        concat!("/wo", "rk/"),
        concat!("/fa", "rm/"),
        concat!("/ro", "ot/"),
        concat!(".lib", "rary/"),
        concat!("registry.", "npmjs"),
        concat!("files.", "pythonhosted"),
        concat!("pypi.", "org"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("deb.", "debian.org"),
    ];
    let files = tree.iter().filter(|f| f.path != "Cargo.lock" && !f.is(&["csv"]));
    lines(files, |line| {
        refused.iter().find(|r| line.contains(**r)).map(|r| format!("names a place: {r}"))
    })
}

/// Every manifest has the workspace's version.
pub fn versions(tree: &[Source]) -> Vec<Complaint> {
    let root = tree.iter().find(|f| f.path == "Cargo.toml").map(|f| manifest::entries(&f.text));
    let found = root.and_then(|entries| {
        let mine =
            entries.into_iter().find(|e| e.table == "workspace.package" && e.key == "version");
        mine.map(|e| e.value.trim_matches('"').to_owned())
    });
    let Some(version) = found else {
        return vec![at(&Source::new("Cargo.toml", ""), 0, "no version for the workspace")];
    };
    let differs = |file: &Source, line: usize, text: &str| {
        let other = text.trim_matches(['"', ',', ' ']);
        (other != version).then(|| at(file, line, format!("version {other}, not {version}")))
    };
    let mut found = Vec::new();
    for file in tree {
        if file.path.ends_with("Cargo.toml") || file.path.ends_with("pyproject.toml") {
            let tables = ["package", "project"];
            let own =
                |e: &manifest::Entry| tables.contains(&e.table.as_str()) && e.key == "version";
            for entry in manifest::entries(&file.text).into_iter().filter(own) {
                found.extend(differs(file, entry.line, &entry.value));
            }
        }
        if file.path.ends_with("package.json") {
            for (number, line) in file.text.lines().enumerate() {
                let value = line.trim().strip_prefix("\"version\":");
                found.extend(value.and_then(|v| differs(file, number + 1, v)));
            }
        }
    }
    found
}

/// The top level holds what was agreed.
pub fn top_level(tree: &[Source]) -> Vec<Complaint> {
    let agreed = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "Makefile",
        "LICENSE",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "rust-toolchain.toml",
        "clippy.toml",
        "core",
        "ffi",
        "bindings",
        "include",
        "examples",
        "tests",
    ];
    let strange = |f: &&Source| {
        let first = f.path.split('/').next().unwrap_or_default();
        !first.starts_with('.') && !agreed.contains(&first)
    };
    tree.iter().filter(strange).map(|f| at(f, 0, "not agreed for the top level")).collect()
}

fn rust(file: &Source) -> Option<Rust> {
    file.is(&["rs"]).then(|| Rust::new(&file.text))
}

fn at(file: &Source, line: usize, what: impl Into<String>) -> Complaint {
    Complaint { path: file.path.clone(), line, what: what.into() }
}

/// Complaints about the words of Rust code, each seen with the three that follow it.
fn words<'a>(
    files: impl Iterator<Item = &'a Source>,
    rule: impl Fn(&[&str]) -> Option<&'static str>,
) -> Vec<Complaint> {
    let mut found = Vec::new();
    for file in files {
        let tokens = rust(file).map(|r| r.tokens()).unwrap_or_default();
        let texts: Vec<_> = tokens.iter().map(|t| t.text.as_str()).collect();
        for i in 0..tokens.len() {
            if let Some(what) = rule(&texts[i..texts.len().min(i + 4)]) {
                found.push(at(file, tokens[i].line, what));
            }
        }
    }
    found
}

/// Complaints about lines of text.
fn lines<'a>(
    files: impl Iterator<Item = &'a Source>,
    rule: impl Fn(&str) -> Option<String>,
) -> Vec<Complaint> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            found.extend(rule(line).map(|what| at(file, number + 1, what)));
        }
    }
    found
}
