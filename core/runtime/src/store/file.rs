//! The file: two tables in a redb database.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use libmqtt_engine::store::{Batch, Loaded, Op, RowId, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

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
            Owner::Broker => b"libmqtt 1, 128 slots",
            Owner::Client => b"libmqtt client 1",
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
        let mut file = File { path: path.into(), owner, database: None };
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
        let rows = transaction.open_table(ROWS).map_err(medium)?;
        for row in rows.iter().map_err(medium)? {
            let (row, value) = row.map_err(medium)?;
            each(Loaded::Row(RowId(row.value()), value.value()));
        }
        Ok(())
    }

    /// Makes batches durable, all or none.
    pub(super) fn commit(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        let result = self.try_commit(batches);
        if result.is_err() {
            // redb answers nothing more after an error of the system.
            self.database = None;
        }
        result
    }

    fn try_commit(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        let quick_repair = self.owner.quick_repair();
        let database = self.reopen()?;
        let changes = Changes::of(batches);
        if changes.rows.is_empty() && changes.cells.is_empty() {
            return Ok(());
        }
        let mut transaction = database.begin_write().map_err(medium)?;
        transaction.set_quick_repair(quick_repair);
        {
            let mut rows = transaction.open_table(ROWS).map_err(medium)?;
            for (row, value) in &changes.rows {
                match value {
                    Some(value) => drop(rows.insert(row, *value).map_err(medium)?),
                    None => drop(rows.remove(row).map_err(medium)?),
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
    pub(super) fn fetch(
        &mut self,
        wanted: &[RowId],
    ) -> Result<Vec<(RowId, bytes::Bytes)>, StoreError> {
        let transaction = self.reopen()?.begin_read().map_err(medium)?;
        let rows = transaction.open_table(ROWS).map_err(medium)?;
        let mut found = Vec::with_capacity(wanted.len());
        for &row in wanted {
            if let Some(value) = rows.get(row.0).map_err(medium)? {
                found.push((row, bytes::Bytes::copy_from_slice(value.value())));
            }
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

/// What is left of changes that undo each other, in the order of keys.
struct Changes<'a> {
    rows: BTreeMap<u64, Option<&'a [u8]>>,
    cells: BTreeMap<&'a [u8], Option<&'a [u8]>>,
}

impl<'a> Changes<'a> {
    fn of(batches: &'a [Batch]) -> Changes<'a> {
        let mut rows = HashMap::new();
        let mut cells = HashMap::new();
        for op in batches.iter().flat_map(Batch::ops) {
            match op {
                Op::PutRow(row, value) => drop(rows.insert(row.0, Some(value))),
                // The number of a row is new: one that is put here was not there before.
                Op::DeleteRow(row) => match rows.remove(&row.0) {
                    Some(Some(_)) => {}
                    _ => drop(rows.insert(row.0, None)),
                },
                Op::PutCell(key, value) => drop(cells.insert(key, Some(value))),
                Op::DeleteCell(key) => drop(cells.insert(key, None)),
            }
        }
        Changes { rows: rows.into_iter().collect(), cells: cells.into_iter().collect() }
    }
}
