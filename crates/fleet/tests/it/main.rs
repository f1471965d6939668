//! Rollouts and flips against a small fleet that follows plans.

mod crashes;
mod flips;
mod gateway;
mod invariants;
mod plans;
mod random;
mod rollbacks;
mod rollouts;
mod scanner;
mod world;
