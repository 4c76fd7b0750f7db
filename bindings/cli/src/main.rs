//! The `libmqtt` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    libmqtt_cli::run(std::env::args_os()).into()
}
