//! The file: a redb database with tables of cells, of groups of rows, and of long rows.

use std::fmt::Display;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use libmqtt_engine::store::{Batch, Loaded, Op, RowId, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::rows::{Group, group_of, merge};

const GROUPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("groups");
/// Those that no group takes.
const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
const CELLS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("cells");

/// The cell that tells the format of all others.
const FORMAT_KEY: &[u8] = b"mformat";

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Broker,
    Client,
}

impl Owner {
    /// The one format that its files have.
    fn format(self) -> &'static [u8] {
        match self {
            Owner::Broker => b"libmqtt 2, 128 slots",
            Owner::Client => b"libmqtt client 2",
        }
    }

    /// Bytes of the file that are kept in memory.
    fn cache_bytes(self) -> usize {
        match self {
            Owner::Broker => 32 * 1024 * 1024,
            Owner::Client => 1024 * 1024,
        }
    }

    /// Whether opening after a crash is quick, at a third more work for each commit.
    fn quick_repair(self) -> bool {
        self == Owner::Broker
    }
}

/// An open file.
pub(super) struct File {
    path: PathBuf,
    owner: Owner,
    /// None after an error: it has to be opened anew.
    database: Option<Database>,
    /// The last commit has failed.
    tried: bool,
}

fn medium(error: impl Display) -> StoreError {
    StoreError::Medium(error.to_string())
}

impl File {
    /// Opens the file at `path`, or makes it if nothing is there. What is there and is no such
    /// file stays as it is.
    pub(super) fn open(path: &Path, owner: Owner) -> Result<File, StoreError> {
        if !path.try_exists().map_err(medium)? {
            create(path, owner)?;
        }
        let mut file = File { path: path.into(), owner, database: None, tried: false };
        file.reopen()?;
        Ok(file)
    }

    /// Opens the file again after an error.
    fn reopen(&mut self) -> Result<&Database, StoreError> {
        if self.database.is_none() {
            let mut builder = Database::builder();
            builder.set_cache_size(self.owner.cache_bytes());
            // A file that something else has damaged may make redb panic.
            let opened = catch_unwind(AssertUnwindSafe(|| {
                let database = builder.open(&self.path).map_err(medium)?;
                check_format(&database, self.owner)?;
                Ok(database)
            }));
            let database = opened.unwrap_or_else(|_| Err(medium("file is damaged")))?;
            self.database = Some(database);
        }
        self.database.as_ref().ok_or_else(|| medium("file is not open"))
    }

    /// Hands over every cell, then every row.
    pub(super) fn load(&mut self, each: &mut dyn FnMut(Loaded<'_>)) -> Result<(), StoreError> {
        let transaction = self.reopen()?.begin_read().map_err(medium)?;
        let cells = transaction.open_table(CELLS).map_err(medium)?;
        for cell in cells.iter().map_err(medium)? {
            let (key, value) = cell.map_err(medium)?;
            each(Loaded::Cell(key.value(), value.value()));
        }
        let groups = transaction.open_table(GROUPS).map_err(medium)?;
        let rows = transaction.open_table(ROWS).map_err(medium)?;
        let mut long = rows.iter().map_err(medium)?.peekable();
        for entry in groups.iter().map_err(medium)? {
            let (number, group) = entry.map_err(medium)?;
            for row in Group::new(number.value(), group.value()) {
                let (row, value) = row?;
                // An error is met below.
                while let Some(Ok((row, value))) =
                    long.next_if(|it| it.as_ref().is_ok_and(|(long, _)| long.value() < row))
                {
                    each(Loaded::Row(RowId(row.value()), value.value()));
                }
                each(Loaded::Row(RowId(row), value));
            }
        }
        for row in long {
            let (row, value) = row.map_err(medium)?;
            each(Loaded::Row(RowId(row.value()), value.value()));
        }
        Ok(())
    }

    /// Makes batches durable, all or none. After an error the same have to come again, with more
    /// behind them or not.
    pub(super) fn commit(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        let result = self.try_commit(batches);
        self.tried = result.is_err();
        if result.is_err() {
            // redb answers nothing more after an error of the system.
            self.database = None;
        }
        result
    }

    fn try_commit(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        let (quick_repair, tried) = (self.owner.quick_repair(), self.tried);
        let database = self.reopen()?;
        let changes = Changes::of(batches, tried);
        if changes.rows.is_empty() && changes.cells.is_empty() {
            return Ok(());
        }
        let mut transaction = database.begin_write().map_err(medium)?;
        transaction.set_quick_repair(quick_repair);
        {
            let mut rows = transaction.open_table(ROWS).map_err(medium)?;
            let mut groups = transaction.open_table(GROUPS).map_err(medium)?;
            let mut after = Vec::new();
            for changed in changes.rows.chunk_by(|a, b| group_of(a.0) == group_of(b.0)) {
                let number = group_of(changed[0].0);
                let stored = groups.get(number).map_err(medium)?;
                let before = stored.as_ref().map_or(&[][..], |it| it.value());
                let was_there = stored.is_some();
                merge(Group::new(number, before), changed, &mut after, |row, value| {
                    match value {
                        Some(value) => drop(rows.insert(row, value).map_err(medium)?),
                        None => drop(rows.remove(row).map_err(medium)?),
                    }
                    Ok(())
                })?;
                drop(stored);
                if !after.is_empty() {
                    drop(groups.insert(number, &after[..]).map_err(medium)?);
                } else if was_there {
                    drop(groups.remove(number).map_err(medium)?);
                }
            }
            let mut cells = transaction.open_table(CELLS).map_err(medium)?;
            for (key, value) in &changes.cells {
                match value {
                    Some(value) => drop(cells.insert(key, value).map_err(medium)?),
                    None => drop(cells.remove(key).map_err(medium)?),
                }
            }
        }
        transaction.commit().map_err(medium)
    }

    /// The values of rows, those that are there.
    pub(super) fn fetch(&mut self, wanted: &[RowId]) -> Result<Vec<(RowId, Bytes)>, StoreError> {
        let transaction = self.reopen()?.begin_read().map_err(medium)?;
        let groups = transaction.open_table(GROUPS).map_err(medium)?;
        let rows = transaction.open_table(ROWS).map_err(medium)?;
        let mut found = Vec::with_capacity(wanted.len());
        let mut last = None;
        for &row in wanted {
            let number = group_of(row.0);
            let group = match last.take_if(|(at, _)| *at == number) {
                Some((_, group)) => group,
                None => groups.get(number).map_err(medium)?,
            };
            let rest = group.as_ref().map_or(&[][..], |it| it.value());
            let short =
                Group::new(number, rest).find(|it| !matches!(it, Ok((at, _)) if *at != row.0));
            match short {
                Some(it) => found.push((row, Bytes::copy_from_slice(it?.1))),
                None => {
                    let long = rows.get(row.0).map_err(medium)?;
                    found.extend(long.map(|it| (row, Bytes::copy_from_slice(it.value()))));
                }
            }
            last = Some((number, group));
        }
        Ok(found)
    }
}

/// Makes an empty file. It gets its name when it is whole.
fn create(path: &Path, owner: Owner) -> Result<(), StoreError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(medium)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(medium(error)),
        _ => {}
    }
    let database = Database::create(&unfinished).map_err(medium)?;
    let transaction = database.begin_write().map_err(medium)?;
    transaction.open_table(ROWS).map_err(medium)?;
    transaction.open_table(GROUPS).map_err(medium)?;
    let format = owner.format();
    transaction.open_table(CELLS).map_err(medium)?.insert(FORMAT_KEY, format).map_err(medium)?;
    transaction.commit().map_err(medium)?;
    database.close().map_err(medium)?;
    fs::rename(&unfinished, path).map_err(medium)?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(medium)?;
    }
    Ok(())
}

fn check_format(database: &Database, owner: Owner) -> Result<(), StoreError> {
    let transaction = database.begin_read().map_err(medium)?;
    let strange = || medium("it is not a file of this program");
    let cells = transaction.open_table(CELLS).map_err(|_| strange())?;
    let format = cells.get(FORMAT_KEY).map_err(medium)?.ok_or_else(strange)?;
    if format.value() == owner.format() {
        return Ok(());
    }
    match owner {
        Owner::Client if format.value() == Owner::Broker.format() => {
            return Err(medium("it is the file of a broker"));
        }
        Owner::Broker if format.value() == Owner::Client.format() => {
            return Err(medium("it is the file of a client"));
        }
        _ => {}
    }
    let format = String::from_utf8_lossy(format.value()).into_owned();
    Err(medium(format!("its format is '{format}', which this version does not read")))
}

/// What is left of changes that undo each other; `None` removes. Rows are in order.
struct Changes<'a> {
    rows: Vec<(u64, Option<&'a [u8]>)>,
    cells: Vec<(&'a [u8], Option<&'a [u8]>)>,
}

impl<'a> Changes<'a> {
    /// If some of them were `tried` before, they may be in the file, though it said otherwise.
    fn of(batches: &'a [Batch], tried: bool) -> Changes<'a> {
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        for op in batches.iter().flat_map(Batch::ops) {
            match op {
                Op::PutRow(row, value) => rows.push((row.0, Some(value))),
                Op::DeleteRow(row) => rows.push((row.0, None)),
                Op::PutCell(key, value) => cells.push((key, Some(value))),
                Op::DeleteCell(key) => cells.push((key, None)),
            }
        }
        rows.sort_by_key(|(row, _)| *row);
        cells.sort_by_key(|(key, _)| *key);
        // The number of a row is new: one that is put and removed here was not there before, and
        // was removed last, whichever handles these changes came from.
        let left = rows.chunk_by(|a, b| a.0 == b.0).filter_map(|same| {
            let is_put = same.iter().any(|(_, value)| value.is_some());
            let (row, _) = *same.first()?;
            match same.iter().find(|(_, value)| value.is_none()) {
                None => same.last().copied(),
                Some(_) if is_put && !tried => None,
                Some(_) => Some((row, None)),
            }
        });
        let rows = left.collect();
        // Of a cell the last change counts.
        cells.reverse();
        cells.dedup_by_key(|(key, _)| *key);
        Changes { rows, cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(fill: impl FnOnce(&mut Batch)) -> Batch {
        let mut batch = Batch::default();
        fill(&mut batch);
        batch
    }

    #[test]
    fn what_undoes_itself_is_not_written_unless_it_may_have_been_before() {
        // Another handle's, which comes first, removes what this one's has put.
        let batches = [
            batch(|batch| {
                batch.delete_row(RowId(2));
                batch.delete_row(RowId(9));
                batch.delete_row(RowId(9));
                batch.put_cell(b"cell", b"1");
            }),
            batch(|batch| {
                batch.put_row(RowId(3), b"stays");
                batch.put_row(RowId(2), b"goes");
                batch.delete_cell(b"cell");
                batch.put_cell(b"cell", b"2");
                batch.put_cell(b"gone", b"");
                batch.delete_cell(b"gone");
            }),
        ];
        let cells: [(&[u8], Option<&[u8]>); 2] = [(b"cell", Some(b"2")), (b"gone", None)];
        for tried in [false, true] {
            let changes = Changes::of(&batches, tried);
            let mut rows = vec![(3, Some(&b"stays"[..])), (9, None)];
            if tried {
                rows.insert(0, (2, None));
            }
            assert_eq!(changes.rows, rows);
            let mut found = changes.cells;
            found.sort();
            assert_eq!(found, cells);
        }
    }
}
