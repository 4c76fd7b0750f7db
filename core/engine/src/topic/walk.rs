//! What it takes to walk a path through a tree.

use core::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::run::{level, starts_with_levels};

/// A path being walked. A position in it is the byte where a level begins, or more than its
/// length after the last level.
pub(super) struct Path<'p> {
    text: &'p [u8],
    /// Positions, ends and hashes of the long levels met so far: a walk may come to the same
    /// level by many nodes, and must not read 65,535 bytes for each.
    long: Vec<(usize, usize, u64)>,
    hasher: FixedState,
}

impl<'p> Path<'p> {
    /// Levels up to this long are simply hashed again.
    const LONG: usize = 128;

    pub(super) fn new(text: &'p str, hasher: &FixedState) -> Path<'p> {
        Path { text: text.as_bytes(), long: Vec::new(), hasher: hasher.clone() }
    }

    /// What follows `at`, which must not be past the end.
    pub(super) fn rest(&self, at: usize) -> &'p [u8] {
        &self.text[at..]
    }

    /// Whether there is no level at `at`.
    pub(super) fn is_over(&self, at: usize) -> bool {
        at > self.text.len()
    }

    /// The level at `at` and its hash.
    pub(super) fn level(&mut self, at: usize) -> (&'p [u8], u64) {
        let near = &self.rest(at)[..Path::LONG.min(self.text.len() - at)];
        let short = level(near, 0);
        if short.len() < Path::LONG {
            return (short, hash_level(&self.hasher, short));
        }
        match self.long.binary_search_by_key(&at, |(start, ..)| *start) {
            Ok(found) => {
                let (start, end, hash) = self.long[found];
                (&self.text[start..end], hash)
            }
            Err(place) => {
                let long = level(self.text, at);
                let hash = hash_level(&self.hasher, long);
                self.long.insert(place, (at, at + long.len(), hash));
                (long, hash)
            }
        }
    }
}

pub(super) fn hash_level(hasher: &FixedState, level: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(level);
    state.finish()
}

/// Where in `path` one is after `run`, begun at `at`, if they agree; a `+` on either side agrees
/// with any level. A `#` in the path is where it ends.
pub(super) fn follow(run: &[u8], path: &Path<'_>, at: usize) -> Option<usize> {
    if starts_with_levels(path.rest(at), run) {
        return Some(at + run.len() + 1);
    }
    let (mut done, mut at) = (0, at);
    while done <= run.len() {
        if path.is_over(at) {
            return None;
        }
        let (ours, theirs) = (level(run, done), level(path.text, at));
        if theirs == b"#" {
            break;
        }
        if ours != theirs && ours != b"+" && theirs != b"+" {
            return None;
        }
        done += ours.len() + 1;
        at += theirs.len() + 1;
    }
    Some(at)
}

/// Places still to be visited by a walk: a stack that allocates only when it gets deep.
pub(super) struct Pending {
    near: [(u32, usize); Pending::NEAR],
    len: usize,
    far: Vec<(u32, usize)>,
}

impl Pending {
    const NEAR: usize = 12;

    pub(super) fn new() -> Pending {
        Pending { near: [(0, 0); Pending::NEAR], len: 0, far: Vec::new() }
    }

    pub(super) fn push(&mut self, node: u32, at: usize) {
        if self.len < Pending::NEAR {
            self.near[self.len] = (node, at);
            self.len += 1;
        } else {
            self.far.push((node, at));
        }
    }

    pub(super) fn pop(&mut self) -> Option<(u32, usize)> {
        self.far.pop().or_else(|| {
            self.len = self.len.checked_sub(1)?;
            Some(self.near[self.len])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_level_is_read_once_in_a_walk() {
        let hasher = FixedState::with_seed(1);
        let text = format!("a/{}/b/{}", "x".repeat(30_000), "y".repeat(30_000));
        let mut path = Path::new(&text, &hasher);
        for _ in 0..2 {
            for at in [30_005, 0, 2, 30_003] {
                let (found, hash) = path.level(at);
                assert_eq!(found, level(text.as_bytes(), at));
                assert_eq!(hash, hash_level(&hasher, found));
            }
        }
        let noted: Vec<_> = path.long.iter().map(|(start, end, _)| (*start, *end)).collect();
        assert_eq!(noted, [(2, 30_002), (30_005, 60_005)]);
    }

    #[test]
    fn a_path_follows_a_run_level_by_level() {
        let hasher = FixedState::with_seed(1);
        let check = |run: &str, path: &str, after: Option<usize>| {
            let path = Path::new(path, &hasher);
            assert_eq!(
                follow(run.as_bytes(), &path, 0),
                after,
                "{run:?} {path:?}",
                path = path.text
            );
        };
        check("a/b", "a/b", Some(4));
        check("a/b", "a/b/c", Some(4));
        check("a/b", "a/bc", None);
        check("a/b", "a", None);
        check("a/b", "a/+", Some(4));
        check("a/+", "a/bcd/e", Some(6));
        check("a/b", "#", Some(0));
        check("a/b", "a/#", Some(2));
        check("a", "a/#", Some(2));
        check("+/", "a/", Some(3));
        check("+/", "a", None);
        check("", "/a", Some(1));
    }

    #[test]
    fn pending_places_come_back_last_first() {
        let mut pending = Pending::new();
        let count = 3 * Pending::NEAR as u32;
        for _ in 0..2 {
            (0..count).for_each(|node| pending.push(node, node as usize + 1));
            for node in (0..count).rev() {
                assert_eq!(pending.pop(), Some((node, node as usize + 1)));
            }
            assert_eq!(pending.pop(), None);
        }
    }
}
