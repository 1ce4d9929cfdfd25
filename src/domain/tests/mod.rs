//! The core driven directly: inputs in, facts out, timers fired by hand. Each file is one part of the rules.

mod chain;
mod counted;
mod random;
mod sla;
mod world;
