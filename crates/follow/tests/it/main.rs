//! Plans that are followed, from files and from sources that fail.

mod files;
mod sources;
