//! From one epoch to the next: all gateways prepare, then all change at one instant.

mod latencies;
mod state;
mod step;
mod tags;

pub use latencies::Latencies;
pub use state::{FlipObserved, FlipPart, FlipState, Flipped, Gateway, Retiring, SettingsInfo, Timing, Wish};
pub use step::step;
pub use tags::istags;
