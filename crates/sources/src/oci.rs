//! Artifacts in registries: OCI distribution and image specifications 1.1.

mod challenge;
mod manifest;
mod reference;
mod registry;

pub use challenge::Challenge;
pub use manifest::{Layer, Manifest, ManifestError};
pub use reference::{Reference, ReferenceError};
pub(crate) use registry::Registry;
