//! End-to-end tests of icapstan; see the files of `tests/`, each named by what it shows.
