//! `icapstan crds`: the custom resource definitions of this version, for `kubectl apply --server-side -f -`.

use crate::exit::{Exit, chain};
use std::io::{self, Write};

/// Prints them as one stream of YAML documents.
pub(crate) fn run() -> Exit {
    let manifests = match icapstan_api::kube::manifests() {
        Ok(manifests) => manifests,
        Err(error) => {
            eprintln!("icapstan: {}", chain(&error));
            return Exit::Failure;
        }
    };
    let mut out = io::stdout().lock();
    let written = manifests.iter().try_for_each(|(_, text)| write!(out, "---\n{text}"));
    match written.and_then(|()| out.flush()) {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprintln!("icapstan: standard output: {error}");
            Exit::Failure
        }
    }
}
