//! The tables in `tests/vectors`: RFC 4180 with a header row.

use std::collections::BTreeMap;
use std::path::Path;

/// One row, by the names of the header.
#[derive(Clone, Debug)]
pub struct Row(BTreeMap<String, String>);

impl Row {
    /// The cell in the column `name`, untrimmed.
    ///
    /// # Panics
    /// When the table has no such column.
    pub fn cell(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no column {name}"))
    }

    /// The text that the cell writes with the escapes of a JSON string (topic-vectors.csv).
    ///
    /// # Panics
    /// When the table has no such column, or the cell an escape other than `\\` and `\uXXXX`.
    pub fn text(&self, name: &str) -> String {
        unescape(self.cell(name))
    }
}

/// All rows of the table `tests/vectors/<name>`.
///
/// # Panics
/// When it cannot be read, is empty, or has a row of another width than its header.
pub fn table(name: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut records = records(&text).into_iter();
    let header = records.next().unwrap_or_else(|| panic!("{name} is empty"));
    let rows: Vec<Row> = records
        .map(|cells| {
            assert_eq!(cells.len(), header.len(), "{name}: width of {cells:?}");
            Row(header.iter().cloned().zip(cells).collect())
        })
        .collect();
    assert!(!rows.is_empty(), "{name} has no rows");
    rows
}

/// Escapes are UTF-16 code units, so a character beyond U+FFFF is a pair of them.
fn unescape(cell: &str) -> String {
    let mut units = Vec::new();
    let mut rest = cell.encode_utf16();
    while let Some(unit) = rest.next() {
        units.push(match unit {
            0x5C => match rest.next() {
                Some(0x5C) => 0x5C,
                Some(0x75) => {
                    let code = String::from_utf16(&rest.by_ref().take(4).collect::<Vec<_>>());
                    u16::from_str_radix(&code.unwrap_or_default(), 16)
                        .unwrap_or_else(|_| panic!("no escape: {cell}"))
                }
                _ => panic!("no escape: {cell}"),
            },
            unit => unit,
        });
    }
    String::from_utf16(&units).unwrap_or_else(|_| panic!("no text: {cell}"))
}

/// Splits text into records of cells. Quotes may be anywhere in a cell; lines end with LF.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let cell = cells.last_mut().unwrap(); // never empty
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            '\n' if !quoted => records.push(std::mem::replace(&mut cells, vec![String::new()])),
            _ => cell.push(char),
        }
    }
    if cells != [""] {
        records.push(cells);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::{records, unescape};

    #[test]
    fn escapes_are_those_of_json() {
        assert_eq!(unescape(r"a\\b\u0000"), "a\\b\0");
        assert_eq!(unescape(r"\ud83d\ude00é"), "\u{1F600}é");
    }

    #[test]
    fn quotes_hold_commas_quotes_and_line_ends() {
        let text = "a,b\n\"1,\"\"2\"\"\n3\", x \n,\n";
        assert_eq!(records(text), [vec!["a", "b"], vec!["1,\"2\"\n3", " x "], vec!["", ""]]);
    }

    #[test]
    fn a_last_line_without_end_counts() {
        assert_eq!(records("a\nb"), [["a"], ["b"]]);
    }
}
