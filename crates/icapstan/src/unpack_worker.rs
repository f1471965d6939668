//! `icapstan unpack-worker`: what `icapstan standalone` starts for containers that libclamav does not open.

use crate::cli::UnpackWorker;
use icapstan_unpack_worker::Start;
use std::process::ExitCode;

/// Takes containers apart until the scanner closes the socket.
pub(crate) fn run(args: &UnpackWorker) -> ExitCode {
    icapstan_unpack_worker::run(&Start { parent: args.parent, memory: args.memory, nice: args.nice })
}
