//! Stores, servers and those who fetch, over sockets.

mod fetch;
mod hostile;
mod peer;
mod serve;
