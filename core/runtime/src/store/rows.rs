//! How rows lie in the file: thirty-two numbers to an entry.
//!
//! What costs is the number of entries that a commit changes, not their bytes. Rows are made with
//! rising numbers and mostly go in the same order, so those that a commit makes or removes are
//! neighbours. Hence a *group*: the rows whose numbers differ in the last five bits only, one
//! behind the other. Rows too long for that have an entry each.

use libmqtt_engine::store::StoreError;

/// How many bits of a row's number tell its place in its group.
const BITS: u32 = 5;
/// Bytes of a value that a group takes; a longer one has an entry of its own.
const SHORT: usize = 256;
/// Place and length before each value.
const HEAD: usize = 3;

/// The number of a row's group.
pub(super) fn group_of(row: u64) -> u64 {
    row >> BITS
}

/// Whether a value goes into a group.
pub(super) fn is_short(value: &[u8]) -> bool {
    value.len() <= SHORT
}

/// Adds a row to a group, behind those with lower numbers. Its value is short.
pub(super) fn append(group: &mut Vec<u8>, row: u64, value: &[u8]) {
    let length = value.len() as u16;
    group.push((row & ((1 << BITS) - 1)) as u8);
    group.extend_from_slice(&length.to_le_bytes());
    group.extend_from_slice(value);
}

/// The rows of a group, in the order of their numbers.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    number: u64,
    left: &'a [u8],
}

impl<'a> Group<'a> {
    pub(super) fn new(number: u64, bytes: &'a [u8]) -> Group<'a> {
        Group { number, left: bytes }
    }

    fn read(&mut self) -> Option<(u64, &'a [u8])> {
        let (&[place, low, high], rest) = self.left.split_first_chunk::<HEAD>()?;
        let (value, rest) = rest.split_at_checked(u16::from_le_bytes([low, high]).into())?;
        self.left = rest;
        Some((self.number << BITS | u64::from(place), value))
    }
}

impl<'a> Iterator for Group<'a> {
    type Item = Result<(u64, &'a [u8]), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let row = self.read();
        if row.is_none() {
            self.left = &[];
        }
        Some(row.ok_or(StoreError::Record("group of rows")))
    }
}

/// The changes of a commit that concern one group, in the order of their numbers: `None` removes.
pub(super) type Changed<'a> = [(u64, Option<&'a [u8]>)];

/// Puts what becomes of a group into `out`, and gives `other` the changes that are not of rows in
/// it.
pub(super) fn merge(
    group: Group<'_>,
    changed: &Changed<'_>,
    out: &mut Vec<u8>,
    mut other: impl FnMut(u64, Option<&[u8]>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    out.clear();
    let mut kept = group.peekable();
    for &(row, value) in changed {
        while let Some(Ok((old, bytes))) =
            kept.next_if(|it| matches!(it, Ok((old, _)) if *old < row))
        {
            append(out, old, bytes);
        }
        let was_there = kept.next_if(|it| matches!(it, Ok((old, _)) if *old == row)).is_some();
        match value {
            Some(value) if is_short(value) => append(out, row, value),
            None if was_there => {}
            value => other(row, value)?,
        }
    }
    for row in kept {
        let (row, value) = row?;
        append(out, row, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(rows: &[(u64, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        rows.iter().for_each(|(row, value)| append(&mut bytes, *row, value));
        bytes
    }

    #[test]
    fn a_group_takes_changes_and_passes_the_others_on() {
        let long = [7; SHORT + 1];
        let before = group(&[(161, b"a"), (163, b""), (170, b"c")]);
        let changed: &Changed<'_> = &[
            (160, Some(b"new")),
            (161, None),
            (164, Some(&long)),
            (165, None),
            (170, Some(b"again")),
            (175, Some(b"last")),
        ];
        let (mut after, mut passed) = (vec![1, 2, 3], Vec::new());
        let other = |row, value: Option<&[u8]>| {
            passed.push((row, value.map(<[u8]>::len)));
            Ok(())
        };
        merge(Group::new(5, &before), changed, &mut after, other).unwrap();
        let wanted: [(u64, &[u8]); 4] =
            [(160, b"new"), (163, b""), (170, b"again"), (175, b"last")];
        assert_eq!(after, group(&wanted));
        assert_eq!(passed, [(164, Some(SHORT + 1)), (165, None)]);
        assert!(Group::new(5, &after).map(Result::unwrap).eq(wanted));
    }

    #[test]
    fn a_damaged_group_is_an_error_and_not_fewer_rows() {
        let good = group(&[(0, b"one"), (15, b"two")]);
        for end in 0..good.len() {
            let damaged = Group::new(0, &good[..end]).any(|row| row.is_err());
            assert_eq!(damaged, end != 0 && end != HEAD + 3, "{end}");
            let merged =
                merge(Group::new(0, &good[..end]), &[(3, None)], &mut Vec::new(), |_, _| Ok(()));
            assert_eq!(merged.is_err(), damaged, "{end}");
        }
    }
}
