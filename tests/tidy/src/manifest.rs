//! As much of TOML as the rules ask of a `Cargo.toml` or `pyproject.toml`.

/// A `key = value` line and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The table, such as `package` or `target.'cfg(unix)'.dependencies`.
    pub(crate) table: String,
    /// The key as written.
    pub(crate) key: String,
    /// The value as written.
    pub(crate) value: String,
    /// The line, from 1.
    pub(crate) line: usize,
}

/// All entries that fit on a line.
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    let mut table = String::new();
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            table = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            found.push(Entry { table: table.clone(), key, value, line: number + 1 });
        }
    }
    found
}

/// The crates that a manifest asks for in any of its dependency tables, under their real names.
pub(crate) fn dependencies(text: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for entry in entries(text) {
        if let Some((_, name)) = entry.table.split_once("dependencies.") {
            found.push((quoted(&entry.key, &entry.value).unwrap_or(name).to_owned(), entry.line));
        } else if entry.table.ends_with("dependencies") {
            let name = entry.key.split('.').next().unwrap_or_default();
            let real = entry.value.split_once("package").and_then(|(_, v)| v.split('"').nth(1));
            found.push((real.unwrap_or(name).to_owned(), entry.line));
        }
    }
    found
}

fn quoted<'a>(key: &str, value: &'a str) -> Option<&'a str> {
    if key == "package" { value.split('"').nth(1) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_in_every_form() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\" # why\n\
            c = { package = \"d\", version = \"1\" }\n[target.'cfg(unix)'.dev-dependencies]\ne = \"1\"\n\
            [dependencies.f]\nversion = \"1\"\n";
        let names: Vec<_> = dependencies(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "d", "e", "f"]);
    }
}
