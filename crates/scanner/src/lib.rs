//! The engine pool, database generations and their swap.
