//! What those who send events and those who read them can rely on, over real sockets and files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod file;
mod rsyslog;
mod server;
mod setup;
mod stdout;
mod stop;
mod tcp;
mod tls;
mod udp;
