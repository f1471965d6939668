//! What a balancer promises.

mod budget;
mod choice;
mod ejection;
mod fleet;
mod interleaved;
mod threads;
