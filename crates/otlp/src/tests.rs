//! Against a collector.
