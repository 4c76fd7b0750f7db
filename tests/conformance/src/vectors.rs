//! The tables of tests/vectors.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A row by column name.
pub type Row = BTreeMap<String, String>;

/// The rows of a table, in order. Panics if it is not there.
pub fn rows(file: &str) -> Vec<Row> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut records = parse(&text).into_iter();
    let head = records.next().unwrap_or_default();
    records.map(|cells| head.iter().cloned().zip(cells).collect()).collect()
}

/// RFC 4180.
fn parse(text: &str) -> Vec<Vec<String>> {
    let mut records = vec![];
    let mut record = vec![];
    let mut cell = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(core::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(core::mem::take(&mut cell));
                records.push(core::mem::take(&mut record));
            }
            c => cell.push(c),
        }
    }
    records
}
