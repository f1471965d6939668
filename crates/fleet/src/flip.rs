//! From one epoch to the next: all gateways prepare, then all change at one instant.

mod state;

pub use state::{FlipObserved, FlipPart, FlipState, Flipped, Gateway, Retiring, SettingsInfo, Timing, Wish};
