//! End-to-end tests of icapstan; see the files of `tests/`.
