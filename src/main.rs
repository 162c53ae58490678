//! The `wtsp-load` command: parse, call, exit code.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    wtsp_load::cli::main()
}
