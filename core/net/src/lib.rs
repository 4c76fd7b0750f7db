//! Moves bytes with mio; knows no packet.
#![forbid(unsafe_code)]
