//! The program: everything is in the library.

fn main() -> std::process::ExitCode {
    lead_router::cli::main()
}
