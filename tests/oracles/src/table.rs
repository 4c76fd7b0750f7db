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
    use super::records;

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
