//! MQTT 3.1, by the rows of mqtt31-differences.md.
