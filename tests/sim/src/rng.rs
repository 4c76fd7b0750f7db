//! The only source of chance in a run.

use std::ops::Range;

/// A small generator (SplitMix64): the same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator whose whole future is `seed`.
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed ^ 0x6A09_E667_F3BC_C909)
    }

    /// An independent generator, so that more draws here do not move the draws there.
    pub(crate) fn fork(&mut self) -> Rng {
        Rng(self.next())
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `range`, which must not be empty.
    pub(crate) fn range(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// An index below `len`.
    pub(crate) fn below(&mut self, len: usize) -> usize {
        self.range(0..len as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.range(0..100) < percent
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Nanoseconds between `from` and `to` microseconds, short ones more often than long ones.
    pub(crate) fn micros(&mut self, from: u64, to: u64) -> u64 {
        let span = (to - from + 1) * 1000;
        let long = self.range(0..span);
        from * 1000 + if self.chance(70) { long / 8 } else { long }
    }
}
