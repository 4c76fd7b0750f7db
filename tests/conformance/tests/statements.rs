//! A test per normative statement. A test's name begins with the id of its statement and the side
//! that is tested: `mqtt_3_1_2_24_broker_…`; `statements.txt` lists them all.
//!
//! `duty/` holds what the versions have in common, as functions of the version; `v31/`, `v311/` and
//! `v5/` name them by the ids of that version and add what only that version has.

/// Names duties of the versions' common stock by the statements of one version.
macro_rules! same {
    ($version:ident; $($name:ident: $duty:path;)*) => {
        $(#[test]
        fn $name() {
            $duty(libmqtt_conformance::Version::$version);
        })*
    };
}

mod duty;
mod v31;
mod v311;
mod v5;

#[test]
fn statements_txt_agrees_with_the_tests() {
    let found = libmqtt_conformance::coverage::check();
    assert!(found.problems.is_empty(), "{}", found.problems.join("\n"));
}
