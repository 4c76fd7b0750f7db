//! Threads, timers and configuration around the engine.
#![forbid(unsafe_code)]
