//! The `wtsp-load` command: parse, call, exit code.

fn main() -> std::process::ExitCode {
    wtsp_load::cli::main()
}
