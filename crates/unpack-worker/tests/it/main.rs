//! What a process that takes containers apart does and cannot do, tried on real ones.

mod formats;
mod life;
mod sandbox;
mod support;
