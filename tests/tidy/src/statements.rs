//! The normative statements of the specifications, and where the source cites them.

use crate::Source;
use std::collections::BTreeSet;
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

/// The ids of all statements.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    known: BTreeSet<(Version, String)>,
}

impl Catalogue {
    /// Reads the tables in `tests/vectors`.
    pub fn new(tree: &[Source]) -> Catalogue {
        let table = |name: &str| {
            let path = format!("tests/vectors/{name}.csv");
            tree.iter().find(|f| f.path == path).map_or("", |f| f.text.as_str())
        };
        let mut known = BTreeSet::new();
        for (name, version) in
            [("mqtt311-statements", Version::V311), ("mqtt5-statements", Version::V5)]
        {
            let first = |row: &str| row.split(',').next().unwrap_or_default().to_owned();
            known.extend(table(name).lines().map(|row| (version, first(row))));
        }
        for row in table("unnumbered-rules").lines() {
            let mut cells = row.split(',');
            let version = if cells.next() == Some("5.0") { Version::V5 } else { Version::V311 };
            known.insert((version, cells.next().unwrap_or_default().to_owned()));
        }
        Catalogue { known }
    }

    /// Whether this version has the statement.
    pub fn has(&self, version: Option<Version>, id: &str) -> bool {
        version.is_some_and(|v| self.known.contains(&(v, id.to_owned())))
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
    /// The id, such as v5 `MQTT-3.1.2-24`.
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
}
