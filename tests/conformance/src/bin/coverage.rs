//! Prints how many statements have a test. Exits with 1 if `statements.txt`, the tests and the
//! catalogues disagree. `--open` lists what counts but has no whole test; `--write` brings
//! `statements.txt` up to the tests that exist, keeping its reasons.

use libmqtt_conformance::coverage;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let found = coverage::check();
    for argument in &arguments {
        match argument.as_str() {
            "--open" => println!("{}", found.open.join("\n")),
            "--write" => {
                let path = concat!(env!("CARGO_MANIFEST_DIR"), "/statements.txt");
                if let Err(e) = std::fs::write(path, &found.rewritten) {
                    eprintln!("{path}: {e}");
                    std::process::exit(1);
                }
            }
            unknown => {
                eprintln!("unknown argument {unknown:?}; there are --open and --write");
                std::process::exit(2);
            }
        }
    }
    println!("{}", found.summary.join("\n"));
    if !found.problems.is_empty() && arguments.is_empty() {
        eprintln!("{}", found.problems.join("\n"));
        std::process::exit(1);
    }
}
