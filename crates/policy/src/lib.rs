//! Scan policies: rules to decisions, and the block page.
