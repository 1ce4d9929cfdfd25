//! The backtest on worlds of which the truth is known.
//!
//! `cargo bench --no-default-features --features edge --bench backtest -- coverage [WORLDS]` counts how
//! often the 95 % interval of the lift contains the true lift; `-- speed [LEADS]` prints how many leads a
//! second are backtested.

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod coverage;
mod speed;
mod world;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let what = words.next().unwrap_or_default();
    let number = words.next().and_then(|word| word.parse().ok());
    match what.as_str() {
        "coverage" => coverage::main(number.unwrap_or(200), words.next().as_deref()),
        "speed" => speed::main(number.unwrap_or(1_000_000), words.next().as_deref()),
        _ => eprintln!("usage: coverage [WORLDS [REGIME]] | speed [LEADS [FILE]]"),
    }
}
