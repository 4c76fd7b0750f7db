//! Tables of costs, as Markdown.

use std::fmt::Write;

/// A table of what an item costs in several cases.
#[derive(Debug)]
pub struct Table {
    title: String,
    item: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    case: String,
    ns: f64,
    /// Bytes of an item, where they are of interest.
    bytes: usize,
    /// The row, counted from here, to whose cost this one's is given as a ratio.
    to: Option<usize>,
}

impl Table {
    /// A table about items that are called `item`.
    pub fn new(title: &str, item: &'static str) -> Table {
        Table { title: title.into(), item, rows: Vec::new() }
    }

    /// Adds what an item costs in a case; returns the row's number.
    pub fn add(&mut self, case: impl Into<String>, ns: f64) -> usize {
        self.rows.push(Row { case: case.into(), ns, bytes: 0, to: None });
        self.rows.len() - 1
    }

    /// Adds a case whose items have so many bytes.
    pub fn add_bytes(&mut self, case: impl Into<String>, ns: f64, bytes: usize) -> usize {
        let row = self.add(case, ns);
        self.rows[row].bytes = bytes;
        row
    }

    /// Has a row show its ratio to another.
    pub fn relate(&mut self, row: usize, to: usize) {
        self.rows[row].to = Some(to);
    }

    /// What the rows cost, in nanoseconds per item.
    pub fn costs(&self) -> impl Iterator<Item = f64> + '_ {
        self.rows.iter().map(|row| row.ns)
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let item = self.item;
        let bytes = self.rows.iter().any(|row| row.bytes > 0);
        let ratios = self.rows.iter().any(|row| row.to.is_some());
        let mut head = format!("| {} | ns a {item} | {item}s a second and core |", self.title);
        let mut line = String::from("|---|---|---|");
        if bytes {
            head += " MB a second |";
            line += "---|";
        }
        if ratios {
            head += " ratio |";
            line += "---|";
        }
        writeln!(f, "{head}\n{line}")?;
        for row in &self.rows {
            let rate = 1e9 / row.ns;
            let mut text = format!("| {} | {} | {} |", row.case, short(row.ns), rounded(rate));
            if bytes {
                write!(text, " {:.0} |", rate * row.bytes as f64 / 1e6)?;
            }
            if ratios {
                let ratio = row.to.map(|to| format!("{:.2}", row.ns / self.rows[to].ns));
                write!(text, " {} |", ratio.unwrap_or_default())?;
            }
            writeln!(f, "{text}")?;
        }
        Ok(())
    }
}

fn short(ns: f64) -> String {
    if ns < 100.0 { format!("{ns:.1}") } else { format!("{ns:.0}") }
}

fn rounded(rate: f64) -> String {
    match rate {
        1e6.. => format!("{:.1} million", rate / 1e6),
        1e4.. => format!("{:.0},000", rate / 1e3),
        _ => format!("{rate:.0}"),
    }
}
