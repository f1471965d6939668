//! The bare loop of the load generator.

use super::{START, Server};
use crate::compare::case::Subject;
use crate::context::{Context, Core};
use crate::daemon::Daemon;
use std::net::SocketAddr;

pub(super) fn start(context: &Context) -> anyhow::Result<Server> {
    let mut command = context.command(&context.programs.load, Core::Server);
    command.args(["bare", "--listen", "127.0.0.1:0"]);
    let process = Daemon::start("bare", command);
    let address =
        context.wait(&process, START, || process.logs().lines().iter().find_map(|line| bound(line)))?;
    Ok(Server { subject: Subject::Bare, address, services: ["/bare"; 2], processes: vec![process] })
}

/// The address in the line that tells it.
fn bound(line: &str) -> Option<SocketAddr> {
    line.trim().strip_prefix("listening on ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_its_line() {
        assert_eq!(bound("listening on 127.0.0.1:4711\n"), "127.0.0.1:4711".parse().ok());
        assert_eq!(bound("listening"), None);
        assert_eq!(bound("listening on a port"), None);
    }
}
