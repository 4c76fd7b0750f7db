//! The client: one session, at most one Network Connection.
