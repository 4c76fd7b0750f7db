//! The handles of a file, and the thread that serves them.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use libmqtt_engine::store::{
    Batch, Completion, Loaded, Position, RowId, Store, StoreError, complete,
};
use libmqtt_locks::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Durability;
use super::file::{File, Owner};

/// How long to wait before trying again what has failed.
const RETRY: Duration = Duration::from_secs(5);
/// Bytes that may come together before they are written, whatever the interval.
pub(super) const GATHERED_MAX: usize = 16 * 1024 * 1024;

/// Called when a handle has something to be polled.
pub(crate) type Wake = Box<dyn Fn() + Send + Sync>;

/// One handle of a store on disk; the file is closed with the last of them, after all that was
/// submitted has been written.
pub struct DiskStore {
    core: Arc<Core>,
    handle: usize,
    /// Ends the thread when the last handle goes.
    _closer: Arc<Closer>,
}

struct Core {
    state: Mutex<State>,
    work: Condvar,
    handles: Box<[Handle]>,
}

struct Handle {
    wake: Wake,
    /// It has something to be polled.
    ready: AtomicBool,
}

/// Rows asked for, as they are behind a batch.
struct Fetch {
    behind: Position,
    rows: Vec<RowId>,
}

#[derive(Default)]
struct State {
    /// What each handle has submitted, oldest first.
    queues: Vec<VecDeque<Batch>>,
    /// Bytes of that.
    bytes: usize,
    /// The last batch that each has submitted.
    submitted: Vec<Position>,
    /// Rows asked for by each handle.
    fetches: Vec<VecDeque<Fetch>>,
    done: Vec<Vec<Completion>>,
    /// The thread, before it has been given the file.
    file: Option<File>,
    closing: bool,
}

struct Closer {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.core.state().closing = true;
        self.core.work.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It does not panic; if it does, all the same nothing is left to be done.
            let _ = thread.join();
        }
    }
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, handle: usize) {
        let handle = &self.handles[handle];
        handle.ready.store(true, Ordering::Release);
        (handle.wake)();
    }
}

impl DiskStore {
    /// Opens a broker's file at `path`, or makes it and its directory if nothing is there. `wake`
    /// is called, on the store's thread, whenever one of the handles has something to be polled.
    ///
    /// What is at `path` and is no such file stays as it is: `Err` says what is wrong, as it does
    /// if another store has the file open.
    pub fn open(
        path: &Path,
        durability: Durability,
        handles: usize,
        wake: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Result<Vec<DiskStore>, StoreError> {
        let wakes = (0..handles).map(|_| -> Wake { Box::new(wake.clone()) }).collect();
        DiskStore::open_for(path, durability, wakes)
    }

    /// The same with a function for each handle.
    pub(crate) fn open_for(
        path: &Path,
        durability: Durability,
        wakes: Vec<Wake>,
    ) -> Result<Vec<DiskStore>, StoreError> {
        DiskStore::serve(File::open(path, Owner::Broker)?, durability, wakes)
    }

    /// A client's file, which has one handle.
    pub(crate) fn open_client(
        path: &Path,
        durability: Durability,
        wake: Wake,
    ) -> Result<DiskStore, StoreError> {
        let mut stores =
            DiskStore::serve(File::open(path, Owner::Client)?, durability, vec![wake])?;
        stores.pop().ok_or_else(|| StoreError::Medium("it has no handle".into()))
    }

    fn serve(
        file: File,
        durability: Durability,
        wakes: Vec<Wake>,
    ) -> Result<Vec<DiskStore>, StoreError> {
        let count = wakes.len();
        let state = State {
            queues: (0..count).map(|_| VecDeque::new()).collect(),
            submitted: vec![Position(0); count],
            fetches: (0..count).map(|_| VecDeque::new()).collect(),
            done: (0..count).map(|_| Vec::new()).collect(),
            file: Some(file),
            ..State::default()
        };
        let ready = |wake| Handle { wake, ready: AtomicBool::new(false) };
        let core = Arc::new(Core {
            state: Mutex::new(state),
            work: Condvar::new(),
            handles: wakes.into_iter().map(ready).collect(),
        });
        let closer = Arc::new(Closer { core: core.clone(), thread: Mutex::new(None) });
        let stores = (0..count)
            .map(|handle| DiskStore { core: core.clone(), handle, _closer: closer.clone() })
            .collect();
        let spawned = thread::Builder::new()
            .name("mqtt-store".into())
            .spawn(move || Writer::new(core, durability).run());
        let thread = spawned.map_err(|error: io::Error| StoreError::Medium(error.to_string()))?;
        *closer.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(stores)
    }
}

impl Store for DiskStore {
    fn load(&mut self, each: &mut dyn FnMut(Loaded<'_>)) -> Result<(), StoreError> {
        let mut file = self.core.state().file.take();
        let result = match &mut file {
            Some(file) => file.load(each),
            None => Err(StoreError::Medium("it is in use already".into())),
        };
        self.core.state().file = file;
        result
    }

    fn submit(&mut self, batch: Batch) {
        let mut state = self.core.state();
        state.bytes += batch.size();
        state.submitted[self.handle] = batch.position();
        state.queues[self.handle].push_back(batch);
        drop(state);
        self.core.work.notify_one();
    }

    fn fetch(&mut self, rows: &[RowId]) {
        let mut state = self.core.state();
        let behind = state.submitted[self.handle];
        state.fetches[self.handle].push_back(Fetch { behind, rows: rows.to_vec() });
        drop(state);
        self.core.work.notify_one();
    }

    fn poll(&mut self, done: &mut Vec<Completion>) {
        if self.core.handles[self.handle].ready.swap(false, Ordering::AcqRel) {
            done.append(&mut self.core.state().done[self.handle]);
        }
    }
}

impl core::fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DiskStore").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// What the thread has.
struct Writer {
    core: Arc<Core>,
    /// How long changes may gather: none: until there are many.
    gather: Option<Duration>,
    /// Since when they have.
    since: Option<Instant>,
    /// Taken from the queues and not written yet.
    taken: Vec<Batch>,
    /// The last of each handle among them, or the last that is durable.
    last: Vec<Position>,
    /// Handles that have batches among them.
    waits: Vec<bool>,
    failing: bool,
}

impl Writer {
    fn new(core: Arc<Core>, durability: Durability) -> Writer {
        let gather = match durability {
            Durability::Sync => Some(Duration::ZERO),
            Durability::Interval(span) => Some(span),
            Durability::Off => None,
        };
        let (last, waits) =
            (vec![Position(0); core.handles.len()], vec![false; core.handles.len()]);
        Writer { core, gather, since: None, taken: Vec::new(), last, waits, failing: false }
    }

    fn run(mut self) {
        let core = self.core.clone();
        let mut file = None;
        loop {
            let mut state = core.state();
            if file.is_none() {
                // It is somebody else's while it is loaded, which is before anything is submitted.
                let wanted = state.closing
                    || state.bytes > 0
                    || state.fetches.iter().any(|fetches| !fetches.is_empty());
                file = state.file.take_if(|_| wanted);
            }
            let closing = state.closing;
            if let Some(file) = &mut file
                && self.take(&mut state)
            {
                let mut fetches: Vec<_> = state.fetches.iter_mut().map(core::mem::take).collect();
                drop(state);
                let well = self.write(file) && self.answer(file, &mut fetches);
                let mut state = core.state();
                for (now, left) in state.fetches.iter_mut().zip(fetches) {
                    left.into_iter().rev().for_each(|fetch| now.push_front(fetch));
                }
                if !well {
                    if closing {
                        return;
                    }
                    drop(core.work.wait_timeout_while(state, RETRY, |state| !state.closing));
                }
                continue;
            }
            if closing {
                return;
            }
            // What is left when its time has come waits for what belongs to it.
            let patience = match (self.since, self.gather) {
                (Some(since), Some(span)) => span.saturating_sub(since.elapsed()),
                _ => Duration::ZERO,
            };
            if patience > Duration::ZERO {
                drop(core.work.wait_timeout(state, patience));
            } else {
                drop(core.work.wait(state));
            }
        }
    }

    /// Takes what may be written now; whether it is time to write.
    fn take(&mut self, state: &mut State) -> bool {
        let fetches = state.fetches.iter().any(|it| !it.is_empty());
        if state.bytes > 0 && self.since.is_none() {
            self.since = Some(Instant::now());
        }
        let due = match (self.since, self.gather) {
            (Some(since), Some(span)) => since.elapsed() >= span,
            _ => false,
        };
        if !(due || fetches || state.closing || state.bytes > GATHERED_MAX || self.failing) {
            return false;
        }
        let counts = complete(&state.queues);
        for (handle, count) in counts.into_iter().enumerate() {
            for batch in state.queues[handle].drain(..count) {
                state.bytes -= batch.size();
                self.last[handle] = batch.position();
                self.waits[handle] = true;
                self.taken.push(batch);
            }
        }
        if state.bytes == 0 {
            self.since = None;
        }
        let due = |(handle, it): (usize, &VecDeque<Fetch>)| self.is_due(handle, it);
        !self.taken.is_empty() || state.fetches.iter().enumerate().any(due)
    }

    /// Writes what was taken; whether that went well.
    fn write(&mut self, file: &mut File) -> bool {
        match file.commit(&self.taken) {
            Ok(()) => {
                // After a failure everybody has to hear that it is over.
                let recovered = core::mem::take(&mut self.failing);
                self.taken.clear();
                for handle in 0..self.last.len() {
                    if core::mem::take(&mut self.waits[handle]) || recovered {
                        self.tell(handle, Completion::Durable(self.last[handle]));
                    }
                }
                true
            }
            Err(error) => {
                if !self.failing {
                    self.failing = true;
                    for handle in 0..self.last.len() {
                        self.tell(handle, Completion::Failed(error.clone()));
                    }
                }
                false
            }
        }
    }

    /// Whether what a fetch comes behind has been taken.
    fn is_due(&self, handle: usize, fetches: &VecDeque<Fetch>) -> bool {
        fetches.front().is_some_and(|fetch| fetch.behind <= self.last[handle])
    }

    /// Answers what was asked for, as far as what it comes behind is written; whether that went
    /// well.
    fn answer(&self, file: &mut File, fetches: &mut [VecDeque<Fetch>]) -> bool {
        for (handle, waiting) in fetches.iter_mut().enumerate() {
            while self.is_due(handle, waiting)
                && let Some(fetch) = waiting.pop_front()
            {
                match file.fetch(&fetch.rows) {
                    Ok(found) => self.tell(handle, Completion::Rows(found)),
                    Err(_) => {
                        waiting.push_front(fetch);
                        return false;
                    }
                }
            }
        }
        true
    }

    fn tell(&self, handle: usize, completion: Completion) {
        self.core.state().done[handle].push(completion);
        self.core.tell(handle);
    }
}
