//! Frames: RFC 6455, section 5.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::WebSocketError;

/// The longest header.
pub(crate) const HEADER_MAX: usize = 14;
/// The longest payload of a control frame.
const CONTROL_MAX: u64 = 125;
/// No answer to a ping is added while so much waits to be sent.
const REPLIES_MAX: usize = 4096;

/// Which end of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Our frames are masked.
    Client,
    /// The peer's frames are masked.
    Server,
}

/// What the peer's frames are taken apart with.
#[derive(Debug)]
pub struct Frames {
    side: Side,
    /// Most bytes in a frame.
    frame_max: u64,
    /// The beginning of a header, or of a control frame's payload.
    kept: Vec<u8>,
    /// Bytes of the present frame's payload that are still to come.
    left: u64,
    mask: [u8; 4],
    /// The control frame whose payload comes.
    control: Option<Control>,
    /// Between the first and the last frame of a message.
    in_message: bool,
    closed: bool,
}

impl Frames {
    /// Before the first frame. Frames with more than `frame_max` bytes are refused.
    pub fn new(side: Side, frame_max: u64) -> Frames {
        Frames {
            side,
            frame_max,
            kept: Vec::new(),
            left: 0,
            mask: [0; 4],
            control: None,
            in_message: false,
            closed: false,
        }
    }

    /// Whether the peer has said that it closes.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes all of `data`; leaves the bytes that are carried at its front, and says how many.
    /// Answers of ours, as frames, go behind `replies`.
    pub fn take(
        &mut self,
        data: &mut [u8],
        replies: &mut Vec<u8>,
    ) -> Result<usize, WebSocketError> {
        let (mut at, mut carried) = (0, 0);
        while at < data.len() && !self.closed {
            if self.left == 0 {
                let Some(used) = self.begin(&data[at..])? else { break };
                at += used;
            }
            let count = self.left.min((data.len() - at) as u64) as usize;
            self.left -= count as u64;
            if self.control.is_some() {
                self.kept.extend_from_slice(&data[at..at + count]);
            } else {
                apply_mask(&mut data[at..at + count], self.mask);
                self.mask.rotate_left(count % 4);
                data.copy_within(at..at + count, carried);
                carried += count;
            }
            at += count;
            if self.left == 0
                && let Some(control) = self.control.take()
            {
                self.obey(control, replies);
            }
        }
        Ok(carried)
    }

    /// Reads a header; says how many bytes of `data` it had. None: there is more to come, and all
    /// is kept.
    fn begin(&mut self, data: &[u8]) -> Result<Option<usize>, WebSocketError> {
        let before = self.kept.len();
        self.kept.extend_from_slice(&data[..data.len().min(HEADER_MAX)]);
        let mut cursor = Cursor::new(&self.kept);
        let parsed =
            FrameHeader::parse(&mut cursor).map_err(|_| WebSocketError::Frame("is of no kind"))?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let used = cursor.position() as usize - before;
        self.kept = Vec::new();
        self.check(&header, length)?;
        self.left = length;
        self.mask = header.mask.unwrap_or_default();
        match header.opcode {
            OpCode::Control(control) => {
                self.control = Some(control);
                // A ping without payload is complete already; `take` sees to it.
            }
            OpCode::Data(_) => self.in_message = !header.is_final,
        }
        Ok(Some(used))
    }

    fn check(&self, header: &FrameHeader, length: u64) -> Result<(), WebSocketError> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(WebSocketError::Frame("has a reserved bit"));
        }
        if header.mask.is_some() != (self.side == Side::Server) {
            return Err(WebSocketError::Frame(match self.side {
                Side::Server => "is not masked",
                Side::Client => "is masked",
            }));
        }
        match header.opcode {
            OpCode::Control(_) if length > CONTROL_MAX || !header.is_final => {
                Err(WebSocketError::Frame("of control is too long or in parts"))
            }
            OpCode::Data(Data::Text) => Err(WebSocketError::NotBinary),
            OpCode::Data(Data::Continue) if !self.in_message => {
                Err(WebSocketError::Frame("continues nothing"))
            }
            OpCode::Data(Data::Binary) if self.in_message => {
                Err(WebSocketError::Frame("begins within a message"))
            }
            OpCode::Data(_) if length > self.frame_max => Err(WebSocketError::TooLarge),
            _ => Ok(()),
        }
    }

    /// A control frame is complete.
    fn obey(&mut self, control: Control, replies: &mut Vec<u8>) {
        let mut payload = core::mem::take(&mut self.kept);
        apply_mask(&mut payload, self.mask);
        match control {
            // Only the latest ping needs an answer, so those that nobody reads may be left out.
            Control::Ping if replies.len() <= REPLIES_MAX => {
                put_frame(self.side, Control::Pong.into(), &payload, replies);
            }
            Control::Close => {
                self.closed = true;
                // The code goes back; what else was said is of no use.
                payload.truncate(2);
                put_frame(self.side, Control::Close.into(), &payload, replies);
            }
            _ => {}
        }
    }
}

/// The code that tells the peer of an error.
pub(crate) fn close_code(error: &WebSocketError) -> u16 {
    match error {
        WebSocketError::NotBinary => CloseCode::Unsupported.into(),
        WebSocketError::TooLarge => CloseCode::Size.into(),
        _ => CloseCode::Protocol.into(),
    }
}

/// The kinds of frame that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Binary,
    /// The answer to a ping.
    Pong,
    /// The end.
    Close,
}

impl From<Control> for Kind {
    fn from(control: Control) -> Kind {
        match control {
            Control::Close => Kind::Close,
            _ => Kind::Pong,
        }
    }
}

/// Appends a whole frame to `out`.
pub fn put_frame(side: Side, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + HEADER_MAX + payload.len(), 0);
    let header = put_header(side, kind, payload.len(), &mut out[start..]);
    let (at, mask) = header;
    out[start + at..start + at + payload.len()].copy_from_slice(payload);
    out.truncate(start + at + payload.len());
    if let Some(mask) = mask {
        apply_mask(&mut out[start + at..], mask);
    }
}

/// Puts the header of a frame to the front of `out`, which has room for the longest; says how long
/// it is, and the mask that its payload needs.
pub(crate) fn put_header(
    side: Side,
    kind: Kind,
    length: usize,
    out: &mut [u8],
) -> (usize, Option<[u8; 4]>) {
    let mask = match side {
        // Masks must not be foreseen by who chooses the payload.
        Side::Client => Some(getrandom::u32().unwrap_or_default().to_ne_bytes()),
        Side::Server => None,
    };
    let header = FrameHeader {
        is_final: true,
        rsv1: false,
        rsv2: false,
        rsv3: false,
        opcode: match kind {
            Kind::Binary => OpCode::Data(Data::Binary),
            Kind::Pong => OpCode::Control(Control::Pong),
            Kind::Close => OpCode::Control(Control::Close),
        },
        mask,
    };
    let size = header.len(length as u64);
    // A slice with room takes all that is written.
    let _ = header.format(length as u64, &mut &mut out[..size]);
    (size, mask)
}

/// Masks or unmasks.
pub(crate) fn apply_mask(data: &mut [u8], mask: [u8; 4]) {
    if mask == [0; 4] {
        return;
    }
    let double = u64::from(u32::from_ne_bytes(mask));
    let word = double << 32 | double;
    let (words, rest) = data.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// Whole and byte by byte.
    fn check(side: Side, frames: &str, carried: &[u8], replies: &str) {
        let bytes = hex(frames);
        for step in [bytes.len(), 1, 3] {
            let mut parser = Frames::new(side, 1000);
            let (mut got, mut answers) = (Vec::new(), Vec::new());
            for part in bytes.chunks(step) {
                let mut part = part.to_vec();
                let count = parser.take(&mut part, &mut answers).unwrap();
                got.extend_from_slice(&part[..count]);
            }
            assert_eq!(got, carried, "{frames} by {step}");
            assert_eq!(answers, hex(replies), "{frames} by {step}");
            assert!(parser.kept.capacity() == 0, "an idle connection keeps nothing");
        }
    }

    fn refused(side: Side, frames: &str, why: WebSocketError) {
        let mut bytes = hex(frames);
        assert_eq!(Frames::new(side, 1000).take(&mut bytes, &mut Vec::new()), Err(why), "{frames}");
    }

    #[test]
    fn bytes_are_carried_whatever_frames_they_are_in() {
        check(Side::Client, "82 03 616263", b"abc", "");
        check(Side::Client, "02 01 61  80 02 6263  82 00", b"abc", "");
        // "abc" masked with 01020304
        check(Side::Server, "82 83 01020304 606060", b"abc", "");
        check(Side::Server, "02 81 01020304 60  80 82 01020304 6361", b"abc", "");
        let long = format!("82 7e 0100 {}", "61".repeat(256));
        check(Side::Client, &long, &[b'a'; 256], "");
    }

    #[test]
    fn pings_are_answered_between_and_within_messages() {
        check(Side::Server, "89 80 01020304", b"", "8a00");
        check(Side::Server, "89 81 01020304 60", b"", "8a0161");
        check(
            Side::Server,
            "02 81 01020304 60  89 81 00000000 70  80 81 00000000 62  8a 80 00000000",
            b"ab",
            "8a0170",
        );
    }

    #[test]
    fn a_close_is_answered_with_its_code_and_ends_all() {
        check(Side::Server, "88 82 00000000 03e8", b"", "880203e8");
        check(Side::Server, "88 80 00000000", b"", "8800");
        let mut bytes = hex("88 80 00000000 82 81 00000000 61");
        let mut frames = Frames::new(Side::Server, 1000);
        assert_eq!(frames.take(&mut bytes, &mut Vec::new()), Ok(0));
        assert!(frames.is_closed());
    }

    #[test]
    fn frames_that_break_the_rules_are_refused() {
        use WebSocketError::{Frame, NotBinary, TooLarge};
        refused(Side::Server, "82 01 61", Frame("is not masked"));
        refused(Side::Client, "82 81 01020304 60", Frame("is masked"));
        refused(Side::Client, "c2 01 61", Frame("has a reserved bit"));
        refused(Side::Client, "83 01 61", Frame("is of no kind"));
        refused(Side::Client, "81 01 61", NotBinary);
        refused(Side::Client, "80 01 61", Frame("continues nothing"));
        refused(Side::Client, "02 01 61 82 01 61", Frame("begins within a message"));
        refused(Side::Client, "09 00", Frame("of control is too long or in parts"));
        refused(Side::Client, "89 7e 0100", Frame("of control is too long or in parts"));
        refused(Side::Client, "82 7e 03e9", TooLarge);
        refused(Side::Client, "82 7f ffffffffffffffff", TooLarge);
    }

    #[test]
    fn what_a_client_sends_a_server_reads() {
        for length in [0, 1, 7, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
            for (from, to) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
                let mut bytes = Vec::new();
                put_frame(from, Kind::Binary, &payload, &mut bytes);
                let count = Frames::new(to, 1 << 20).take(&mut bytes, &mut Vec::new()).unwrap();
                assert_eq!(&bytes[..count], payload);
            }
        }
    }

    #[test]
    fn pings_that_nobody_reads_the_answers_of_cost_little() {
        let mut frames = Frames::new(Side::Server, 1000);
        let mut replies = Vec::new();
        for _ in 0..10_000 {
            let mut ping = hex("89 81 01020304 60");
            frames.take(&mut ping, &mut replies).unwrap();
        }
        assert!(replies.len() <= REPLIES_MAX + 3);
    }
}
