//! The normative statements of the specifications, and where the source cites them.

use crate::Source;
use std::collections::BTreeMap;
use std::fmt;

/// A specification whose statements have ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V311 => "MQTT 3.1.1",
            Version::V5 => "MQTT 5.0",
        })
    }
}

/// A row of the tables of statements.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// Who is bound: client, server, both, sender, receiver.
    pub role: String,
    /// yes, indirect or no.
    pub testable: String,
}

/// All statements.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    rows: BTreeMap<(Version, String), Statement>,
}

impl Catalogue {
    /// Reads the tables in `tests/vectors`.
    pub fn new(tree: &[Source]) -> Catalogue {
        let mut rows = BTreeMap::new();
        let tables =
            [("mqtt311-statements.csv", Version::V311), ("mqtt5-statements.csv", Version::V5)];
        for (name, version) in tables {
            let path = format!("tests/vectors/{name}");
            let text = tree.iter().find(|f| f.path == path).map_or("", |f| f.text.as_str());
            for row in csv(text) {
                let cell = |name: &str| row.get(name).cloned().unwrap_or_default();
                let statement = Statement { role: cell("role"), testable: cell("testable") };
                rows.insert((version, cell("id")), statement);
            }
        }
        let rules = tree.iter().find(|f| f.path == "tests/vectors/unnumbered-rules.csv");
        for row in csv(rules.map_or("", |f| f.text.as_str())) {
            let version = if row["version"] == "5.0" { Version::V5 } else { Version::V311 };
            let role = row.get("role").cloned().unwrap_or_default();
            rows.insert((version, row["key"].clone()), Statement { role, testable: String::new() });
        }
        Catalogue { rows }
    }

    /// Every statement with its version and id.
    pub fn rows(&self) -> impl Iterator<Item = (Version, &str, &Statement)> {
        self.rows.iter().map(|((version, id), statement)| (*version, id.as_str(), statement))
    }

    /// Whether this version has the statement.
    pub fn has(&self, version: Option<Version>, id: &str) -> bool {
        version.is_some_and(|v| self.rows.contains_key(&(v, id.to_owned())))
    }

    /// Whether any version has it.
    pub fn has_in_any(&self, id: &str) -> bool {
        self.has(Some(Version::V5), id) || self.has(Some(Version::V311), id)
    }
}

/// A statement named in a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The version named before it in the same comment, if any.
    pub version: Option<Version>,
    /// The id, such as `MQTT-3.1.2-24`.
    pub id: String,
    /// The line, from 1.
    pub line: usize,
}

/// The statements that comments cite, as `v5 [MQTT-3.1.2-22] v311 [MQTT-3.1.2-24]`: an id belongs
/// to the version named last before it, on its line or on the comment lines directly above.
pub fn citations(comments: &str) -> Vec<Citation> {
    let mut found = Vec::new();
    let mut version = None;
    for (number, line) in comments.lines().enumerate() {
        if line.trim().is_empty() {
            version = None;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        for text in line.split(|c| !word(c)) {
            match text {
                "v5" => version = Some(Version::V5),
                "v311" => version = Some(Version::V311),
                _ => {
                    for id in ids(text) {
                        let version = if id.starts_with("V5-") {
                            Some(Version::V5)
                        } else if id.starts_with("V311-") {
                            Some(Version::V311)
                        } else {
                            version
                        };
                        found.push(Citation { version, id, line: number + 1 });
                    }
                }
            }
        }
    }
    found
}

/// The ids in a text: `MQTT-` with numbers, and the keys of the rules without a number.
pub fn ids(text: &str) -> impl Iterator<Item = String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    text.split(move |c| !word(c)).filter_map(|text| {
        let text = text.trim_end_matches(['.', '-']);
        let numbers = text
            .strip_prefix("MQTT-")
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('-'));
        let key = text.strip_prefix("V5-U").or_else(|| text.strip_prefix("V311-U"));
        let key = key.filter(|rest| rest.chars().all(|c| c.is_ascii_digit()) && !rest.is_empty());
        (numbers.is_some() || key.is_some()).then(|| text.to_owned())
    })
}

/// The rows of a table (RFC 4180) by the names in its first row.
fn csv(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let row = rows.last_mut().expect("never empty");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                row.last_mut().expect("never empty").push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            c => row.last_mut().expect("never empty").push(c),
        }
    }
    let header = rows.remove(0);
    let full = rows.into_iter().filter(|row| row.len() == header.len());
    full.map(|row| header.iter().cloned().zip(row).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_belongs_to_the_version_before_it() {
        let id = |n: u32| format!("MQTT-1.2.3-{n}");
        let text = format!(
            "// v5 [{}], [{}] v311 [{}]\n// and [{}].\n\n// [{}]",
            id(1),
            id(2),
            id(3),
            id(4),
            id(5)
        );
        let found: Vec<_> =
            citations(&text).into_iter().map(|c| (c.version, c.id, c.line)).collect();
        let (v5, v311) = (Some(Version::V5), Some(Version::V311));
        let expected =
            [(v5, id(1), 1), (v5, id(2), 1), (v311, id(3), 1), (v311, id(4), 2), (None, id(5), 4)];
        assert_eq!(found, expected);
    }

    #[test]
    fn tables_may_quote() {
        let rows = csv("id,role\nMQTT-1,\"a, \"\"b\"\"\nc\"\nMQTT-2,d\n");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["role"], "a, \"b\"\nc");
    }
}
