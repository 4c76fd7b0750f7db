//! Which statements have a test: `statements.txt`, the tests and the catalogues agree.
//!
//! A line of `statements.txt` is `version id side status`, where side is the one under test and
//! status is the names of the tests, `partly N/M` and names (N of the statement's M assertions
//! are made, which does not count), or `-` and the reason for having none. `- not built: …` (of a
//! conditional statement), `- not bound: …` (of a rule without id) and `- not testable: …` leave
//! it out of the sum, any other reason does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::vectors;

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Found {
    /// A line per version and side, such as `v5 broker: 172 of 198 statements tested (87 %)`.
    pub summary: Vec<String>,
    /// Statements that count but have no whole test.
    pub open: Vec<String>,
    /// Disagreements; there should be none.
    pub problems: Vec<String>,
    /// `statements.txt` as it should be: with the tests that exist, and the reasons it has.
    pub rewritten: String,
}

/// A statement and the side of it that one line is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    version: String,
    id: Id,
    side: &'static str,
}

/// An id in the order of its numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    numbers: Vec<u32>,
    text: String,
}

impl Id {
    fn new(text: &str) -> Id {
        let numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
        Id { numbers: numbers.collect(), text: text.into() }
    }
}

/// A statement of a catalogue.
struct Statement {
    sides: Vec<&'static str>,
    testable: bool,
    conditional: bool,
}

#[derive(Clone, Debug, Default)]
struct Line {
    partly: Option<String>,
    tests: Vec<String>,
    reason: Option<String>,
}

/// How `statements.txt` begins.
const HEAD: &str = "\
# Every statement and the tests it has, or the reason for having none; the form is explained in
# src/coverage.rs. `cargo run -p libmqtt-conformance --bin coverage -- --write` adds new tests.
";

const SIDES: [&str; 2] = ["broker", "client"];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares catalogues, tests and `statements.txt`.
pub fn check() -> Found {
    let catalogue = catalogue();
    let tests = tests();
    let mut found = Found { rewritten: HEAD.into(), ..Found::default() };
    let listed = match fs::read_to_string(here("statements.txt")) {
        Ok(text) => read_lines(&text, &mut found.problems),
        Err(e) => {
            found.problems.push(format!("statements.txt: {e}"));
            BTreeMap::new()
        }
    };
    let mut named: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for (version, test) in &tests {
        match key_of(version, test) {
            Some(key) if catalogue.contains_key(&(version.clone(), key.id.clone())) => {
                named.entry(key).or_default().push(test.clone());
            }
            _ => found.problems.push(format!("{version}: {test} names no statement and side")),
        }
    }
    let mut keys: BTreeSet<Key> = named.keys().cloned().collect();
    for ((version, id), statement) in &catalogue {
        let key = |side: &&'static str| Key { version: version.clone(), id: id.clone(), side };
        keys.extend(statement.sides.iter().map(key));
    }
    for key in listed.keys().filter(|key| !keys.contains(key)) {
        found
            .problems
            .push(format!("{} {} {}: not bound, no test", key.version, key.id.text, key.side));
    }
    let mut sums: BTreeMap<(String, &str), [usize; 2]> = BTreeMap::new();
    for key in &keys {
        let statement = &catalogue[&(key.version.clone(), key.id.clone())];
        let mut line = listed.get(key).cloned().unwrap_or_default();
        let right = named.remove(key).unwrap_or_default();
        judge(key, statement, &line, &right, &mut found);
        line.tests = right;
        count(key, statement, &line, &mut sums, &mut found);
        found.rewritten.push_str(&line.show(key));
    }
    for ((group, side), [tested, all]) in sums {
        let percent = tested * 100 / all.max(1);
        found
            .summary
            .push(format!("{group} {side}: {tested} of {all} statements tested ({percent} %)"));
    }
    found
}

/// Reports where a line disagrees with the tests or the catalogue.
fn judge(key: &Key, statement: &Statement, line: &Line, right: &[String], found: &mut Found) {
    let name = format!("{} {} {}", key.version, key.id.text, key.side);
    if line.tests != right {
        found.problems.push(format!("{name}: listed {:?}, there are {right:?}", line.tests));
    }
    let reason = line.reason.as_deref().unwrap_or("");
    if right.is_empty() == reason.is_empty() {
        found.problems.push(format!("{name}: needs either a test or a reason"));
    }
    if reason.starts_with("not built") && !statement.conditional {
        found.problems.push(format!("{name}: is unconditional, so it has to be built"));
    }
    if reason.starts_with("not bound") && key.id.text.starts_with("MQTT") {
        found.problems.push(format!("{name}: the catalogue says that it is bound"));
    }
    if reason.starts_with("not testable") && statement.testable {
        found.problems.push(format!("{name}: the catalogue says that it is testable"));
    }
}

fn count(
    key: &Key,
    statement: &Statement,
    line: &Line,
    sums: &mut BTreeMap<(String, &'static str), [usize; 2]>,
    found: &mut Found,
) {
    let out = |reason: &str| reason.starts_with("not built") || reason.starts_with("not bound");
    let out = line.reason.as_deref().is_some_and(out);
    if !statement.testable || out || !statement.sides.contains(&key.side) {
        return;
    }
    let group = match key.id.text.starts_with("MQTT") {
        true => key.version.clone(),
        false if key.version == "v31" => "v31 differences".into(),
        false => format!("{} unnumbered", key.version),
    };
    let sum = sums.entry((group, key.side)).or_default();
    sum[1] += 1;
    if line.tests.is_empty() || line.partly.is_some() {
        let why = line.partly.as_deref().map(|p| format!(" partly {p}")).unwrap_or_default();
        found.open.push(format!("{} {} {}{why}", key.version, key.id.text, key.side));
    } else {
        sum[0] += 1;
    }
}

impl Line {
    fn show(&self, key: &Key) -> String {
        let status = match (&self.partly, self.tests.is_empty()) {
            (_, true) => format!("- {}", self.reason.as_deref().unwrap_or("")),
            (Some(part), _) => format!("partly {part} {}", self.tests.join(" ")),
            (None, _) => self.tests.join(" "),
        };
        format!("{} {} {} {}\n", key.version, key.id.text, key.side, status.trim_end())
    }
}

fn read_lines(text: &str, problems: &mut Vec<String>) -> BTreeMap<Key, Line> {
    let mut lines = BTreeMap::new();
    for text in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = text.split(' ');
        let (Some(version), Some(id), Some(side)) = (words.next(), words.next(), words.next())
        else {
            problems.push(format!("statements.txt: {text:?} is no line"));
            continue;
        };
        let Some(side) = SIDES.into_iter().find(|known| *known == side) else {
            problems.push(format!("statements.txt: {text:?} names no side"));
            continue;
        };
        let mut rest: Vec<String> = words.map(String::from).collect();
        let mut line = Line::default();
        match rest.first().map(String::as_str) {
            Some("-") => line.reason = Some(rest[1..].join(" ")),
            Some("partly") if rest.len() > 1 => {
                line.partly = Some(rest[1].clone());
                line.tests = rest.split_off(2);
            }
            _ => line.tests = rest,
        }
        let key = Key { version: version.into(), id: Id::new(id), side };
        if lines.insert(key, line).is_some() {
            problems.push(format!("statements.txt: {version} {id} {side} stands twice"));
        }
    }
    lines
}

/// All statements by version and id.
fn catalogue() -> BTreeMap<(String, Id), Statement> {
    let mut out = BTreeMap::new();
    for (version, file) in [("v311", "mqtt311-statements.csv"), ("v5", "mqtt5-statements.csv")] {
        for row in vectors::rows(file) {
            let statement = Statement {
                sides: sides(&row["role"]),
                testable: row["testable"] != "no",
                conditional: !row["applies_if"].is_empty(),
            };
            out.insert((version.to_string(), Id::new(&row["id"])), statement);
        }
    }
    for row in vectors::rows("unnumbered-rules.csv") {
        let version = if row["version"] == "5.0" { "v5" } else { "v311" };
        let statement = Statement { sides: sides(&row["role"]), testable: true, conditional: true };
        out.insert((version.to_string(), Id::new(&row["key"])), statement);
    }
    for row in 1..=37 {
        let statement = Statement { sides: vec!["broker"], testable: true, conditional: true };
        out.insert(("v31".to_string(), Id::new(&format!("row-{row}"))), statement);
    }
    out
}

/// Who is bound by a role.
fn sides(role: &str) -> Vec<&'static str> {
    match role {
        "server" => vec!["broker"],
        "client" => vec!["client"],
        _ => SIDES.to_vec(),
    }
}

/// The statement and side in a test's name.
fn key_of(version: &str, test: &str) -> Option<Key> {
    let (at, side) =
        SIDES.iter().filter_map(|side| Some((test.find(&format!("_{side}_"))?, *side))).min()?;
    let id = &test[..at];
    let text = if let Some(numbers) = id.strip_prefix("mqtt_") {
        let (section, last) = numbers.rsplit_once('_')?;
        format!("MQTT-{}-{last}", section.replace('_', "."))
    } else if let Some(row) = id.strip_prefix("v31_row_") {
        format!("row-{row}")
    } else {
        let (version, number) = id.split_once("_u")?;
        format!("{}-U{number}", version.to_uppercase())
    };
    Some(Key { version: version.into(), id: Id::new(&text), side })
}

/// The tests in the sources, by version.
fn tests() -> Vec<(String, String)> {
    let mut out = vec![];
    for version in ["v31", "v311", "v5"] {
        let mut files = vec![];
        collect(&here("tests").join(version), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_default();
            out.extend(names(&text).map(|name| (version.to_string(), name)));
        }
    }
    out.sort();
    out
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// Names at the beginning of a line: of a function, or of a row of `same!`.
fn names(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub(super) ").unwrap_or(line);
        let (line, mark) = match line.strip_prefix("fn ") {
            Some(line) => (line, '('),
            None => (line, ':'),
        };
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let (name, rest) = line.split_at(end);
        let statement =
            ["mqtt_", "v31_row_", "v311_u", "v5_u"].iter().any(|prefix| name.starts_with(prefix));
        (statement && rest.starts_with(mark)).then(|| name.to_string())
    })
}
