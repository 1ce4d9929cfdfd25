//! The program: everything is in the library.

/// Many small values are made in one thread and dropped in another, which this does without a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    lead_router::cli::main()
}
