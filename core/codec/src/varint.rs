//! Variable Byte Integers. MQTT 5.0 §1.5.5, MQTT 3.1.1 §2.2.3.
