//! Bytes that wait for a link's transport.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Outgoing;

/// Payloads of at least this many bytes are shared by their receivers instead of copied.
pub(super) const SHARE_MIN: usize = 8 * 1024;

/// Capacity of buffers that are kept for outboxes, in all and each.
const SPARE_BYTES_MAX: usize = 4 * 1024 * 1024;
const SPARE_SIZE_MAX: usize = 256 * 1024;
/// Capacity of a new buffer.
const NEW_SIZE: usize = 256;

/// Buffers that no outbox needs now. A message to very many clients takes one for each.
#[derive(Debug, Default)]
pub(super) struct Spares {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spares {
    /// An empty buffer.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let Some(buffer) = self.buffers.pop() else { return Vec::with_capacity(NEW_SIZE) };
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps an empty buffer, unless there is enough.
    pub(super) fn keep(&mut self, buffer: Vec<u8>) {
        let size = buffer.capacity();
        if (1..=SPARE_SIZE_MAX).contains(&size) && self.bytes + size <= SPARE_BYTES_MAX {
            self.bytes += size;
            self.buffers.push(buffer);
        }
    }
}

/// A stream of bytes: small packets copied one behind the other, large payloads referenced where
/// they belong between them. Empty, it owns no memory.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` is sent.
    start: usize,
    shared: Option<Box<Payloads>>,
}

/// Payloads to send once `bytes` is sent up to the position beside them.
#[derive(Debug, Default)]
struct Payloads {
    queue: VecDeque<(usize, Bytes)>,
    len: usize,
}

impl Outbox {
    /// Bytes that wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start + self.shared.as_ref().map_or(0, |shared| shared.len)
    }

    /// Those of them that are copies: small packets.
    #[inline]
    pub(super) fn copied(&self) -> usize {
        self.bytes.len() - self.start
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where to append small packets.
    #[inline]
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether it owns a buffer.
    #[inline]
    pub(super) fn has_buffer(&self) -> bool {
        self.bytes.capacity() > 0
    }

    /// Gives it a buffer to append to.
    pub(super) fn lend(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.is_empty());
        self.bytes = buffer;
        self.start = 0;
    }

    /// Takes back the buffer of an empty outbox.
    pub(super) fn reclaim(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        self.start = 0;
        let mut buffer = core::mem::take(&mut self.bytes);
        buffer.clear();
        buffer
    }

    /// Appends a payload without copying it.
    pub(super) fn share(&mut self, payload: Bytes) {
        let shared = self.shared.get_or_insert_default();
        shared.len += payload.len();
        shared.queue.push_back((self.bytes.len(), payload));
    }

    pub(super) fn outgoing(&self) -> Outgoing<'_> {
        let mut payloads = self.shared.iter().flat_map(|shared| &shared.queue);
        match payloads.next() {
            None => Outgoing { pieces: [&self.bytes[self.start..], &[], &[]] },
            Some((at, payload)) => {
                let next = payloads.next().map_or(self.bytes.len(), |&(next, _)| next);
                Outgoing { pieces: [&self.bytes[self.start..*at], payload, &self.bytes[*at..next]] }
            }
        }
    }

    /// The transport took this many bytes.
    pub(super) fn sent(&mut self, mut count: usize) {
        while let Some(shared) = &mut self.shared {
            let Some((at, payload)) = shared.queue.front_mut() else { break };
            let before = (*at - self.start).min(count);
            self.start += before;
            count -= before;
            let part = payload.len().min(count);
            count -= part;
            shared.len -= part;
            bytes::Buf::advance(payload, part);
            if self.start < *at || !payload.is_empty() {
                return;
            }
            shared.queue.pop_front();
            if shared.queue.is_empty() {
                self.shared = None;
            }
        }
        self.start = (self.start + count).min(self.bytes.len());
        if self.start > 64 * 1024 && self.start * 2 > self.bytes.len() {
            self.bytes.drain(..self.start);
            for (at, _) in self.shared.iter_mut().flat_map(|shared| &mut shared.queue) {
                *at -= self.start;
            }
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `step` bytes at a time and returns all that came out.
    fn drained(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !outbox.is_empty() {
            let outgoing = outbox.outgoing();
            let mut taken: Vec<u8> = outgoing.pieces.concat();
            taken.truncate(step);
            let count = taken.len();
            assert!(count > 0);
            all.extend(taken);
            outbox.sent(count);
        }
        all
    }

    #[test]
    fn copied_and_shared_bytes_leave_in_order_whatever_the_transport_takes() {
        for step in [1, 2, 3, 7, 100_000] {
            let mut outbox = Outbox::default();
            let mut wanted = Vec::new();
            for round in 0..40u8 {
                outbox.bytes().extend_from_slice(&[round; 3]);
                wanted.extend_from_slice(&[round; 3]);
                if round % 3 != 0 {
                    let payload = vec![round ^ 0x55; usize::from(round)];
                    wanted.extend_from_slice(&payload);
                    outbox.share(payload.into());
                }
            }
            assert_eq!(outbox.len(), wanted.len());
            assert_eq!(drained(&mut outbox, step), wanted);
            assert!(outbox.shared.is_none());
        }
    }

    #[test]
    fn spare_buffers_are_bounded_in_bytes() {
        let mut spares = Spares::default();
        spares.keep(Vec::with_capacity(SPARE_SIZE_MAX + 1));
        assert_eq!(spares.take().capacity(), NEW_SIZE);
        (0..100_000).for_each(|n| spares.keep(Vec::with_capacity(n % 300)));
        let bytes: usize = spares.buffers.iter().map(Vec::capacity).sum();
        assert_eq!(bytes, spares.bytes);
        assert!((SPARE_BYTES_MAX - 300..=SPARE_BYTES_MAX).contains(&bytes), "{bytes}");
        (0..100_000).for_each(|_| drop(spares.take()));
        assert_eq!(spares.bytes, 0);
    }

    #[test]
    fn sent_bytes_are_given_back_while_more_is_appended() {
        let mut outbox = Outbox::default();
        let mut taken = 0;
        for _ in 0..1000 {
            outbox.bytes().extend_from_slice(&[7; 1000]);
            outbox.sent(999);
            taken += 999;
        }
        assert_eq!(outbox.len(), 1_000_000 - taken);
        assert!(outbox.bytes.len() < 200_000);
    }
}
