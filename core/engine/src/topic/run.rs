//! Levels of a path as one piece of text.

/// Bytes that a [`Run`] holds without an allocation of its own.
const SHORT: usize = 22;

/// One or more levels, joined by `/`. 24 bytes, and an allocation only for more than 22 bytes of
/// text, which is longer than nearly all single levels are.
pub(super) enum Run {
    Short { len: u8, text: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl Run {
    pub(super) fn new(text: &[u8]) -> Run {
        if text.len() > SHORT {
            return Run::Long(text.into());
        }
        let mut short = [0; SHORT];
        short[..text.len()].copy_from_slice(text);
        Run::Short { len: text.len() as u8, text: short }
    }

    /// The levels of `upper`, then those of `lower`.
    pub(super) fn joined(upper: &Run, lower: &Run) -> Run {
        let (upper, lower) = (upper.as_bytes(), lower.as_bytes());
        let len = upper.len() + 1 + lower.len();
        if len > SHORT {
            return Run::Long([upper, lower].join(&b'/').into());
        }
        let mut short = [0; SHORT];
        short[..upper.len()].copy_from_slice(upper);
        short[upper.len()] = b'/';
        short[upper.len() + 1..len].copy_from_slice(lower);
        Run::Short { len: len as u8, text: short }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Run::Short { len, text } => &text[..usize::from(*len)],
            Run::Long(text) => text,
        }
    }
}

/// The level of `text` that begins at byte `at`.
pub(super) fn level(text: &[u8], at: usize) -> &[u8] {
    let rest = &text[at..];
    &rest[..rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len())]
}

/// Whether `text` begins with all the levels of `prefix`.
pub(super) fn starts_with_levels(text: &[u8], prefix: &[u8]) -> bool {
    text.starts_with(prefix) && matches!(text.get(prefix.len()), None | Some(b'/'))
}

/// Length of the whole levels that `a` and `b` have in common at their beginning; at least the
/// first level must be.
pub(super) fn common_levels(a: &[u8], b: &[u8]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let ends = |text: &[u8]| matches!(text.get(same), None | Some(b'/'));
    if ends(a) && ends(b) {
        return same;
    }
    a[..same].iter().rposition(|byte| *byte == b'/').unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_its_text_on_both_sides_of_the_border() {
        for len in [0, 1, SHORT - 1, SHORT, SHORT + 1, 65_535] {
            let text = vec![b'x'; len];
            assert_eq!(Run::new(&text).as_bytes(), text);
            for cut in [0, len / 2, len.saturating_sub(1)] {
                let joined = Run::joined(&Run::new(&text[..cut]), &Run::new(&text[cut..]));
                let expected = [&text[..cut], b"/", &text[cut..]].concat();
                assert_eq!(joined.as_bytes(), expected);
            }
        }
        assert_eq!(size_of::<Run>(), 24);
    }

    #[test]
    fn common_levels_are_whole_levels() {
        let check = |a: &str, b: &str, common: &str| {
            let expected = common.len();
            assert_eq!(common_levels(a.as_bytes(), b.as_bytes()), expected, "{a:?} {b:?}");
            assert_eq!(common_levels(b.as_bytes(), a.as_bytes()), expected, "{b:?} {a:?}");
        };
        check("a", "a", "a");
        check("a", "a/b", "a");
        check("a/b", "a/bc", "a");
        check("a/b/c", "a/b/d", "a/b");
        check("a//b", "a//c", "a/");
        check("a/", "a//x", "a/");
        check("a//", "a/b", "a");
        check("a/b", "a/", "a");
        check("", "", "");
        check("/a", "/b", "");
        check("/", "//", "/");
    }
}
