//! icapstan, in one process with its workers, or as a gateway and a scanner.

use super::{Server, Wanted};
use crate::compare::case::Subject;
use crate::context::Context;
use crate::icapstan;
use std::path::Path;

/// How much it logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compare) enum Levels {
    /// Warnings: the peers log nothing either.
    Quiet,
    /// As users have it: also how long signatures took to load.
    Usual,
}

/// Starts it and waits until it is ready.
pub(in crate::compare) fn start(
    context: &Context,
    wanted: &Wanted<'_>,
    levels: Levels,
) -> anyhow::Result<Server> {
    let folder = context.subfolder("icapstan")?;
    let running = icapstan::start(context, &folder, &render(wanted, levels, &folder), wanted.signatures)?;
    Ok(Server {
        subject: Subject::Icapstan,
        address: running.icap,
        services: ["/reqmod", "/respmod"],
        processes: vec![running.process],
    })
}

/// The same, as a gateway and a scanner.
pub(super) fn start_tiers(context: &Context, wanted: &Wanted<'_>) -> anyhow::Result<Server> {
    let folder = context.subfolder("tiers")?;
    let config = render(wanted, Levels::Quiet, &folder);
    let [gateway, scanner] = icapstan::start_tiers(context, &folder, &config, wanted.signatures)?;
    Ok(Server {
        subject: Subject::Tiers,
        address: gateway.icap,
        services: ["/reqmod", "/respmod"],
        processes: vec![gateway.process, scanner.process],
    })
}

/// Connections live as long as those of the peers.
fn render(wanted: &Wanted<'_>, levels: Levels, folder: &Path) -> String {
    let (all, content) = match (wanted.signatures, wanted.lists) {
        (Some(_), _) => ("all", "content"),
        (None, Some(_)) => ("url", "none"),
        (None, None) => ("none", "none"),
    };
    let lists = wanted.lists.map(|lists| format!("urlLists: {{file: {}}}\n", lists.compiled.display()));
    let limits = wanted.queue.map(|queue| format!("limits: {{queueLength: {queue}}}\n"));
    let level = match levels {
        Levels::Quiet => "warn",
        Levels::Usual => "info",
    };
    format!(
        "services:\n  \
           - {{path: /reqmod, modes: [REQMOD], scan: {all}}}\n  \
           - {{path: /respmod, modes: [RESPMOD], scan: {content}}}\n\
         keepAlive: {{enabled: true, idleTimeout: 10m, maxRequests: 0}}\n\
         scanner: {{workers: {}, tempDir: {}}}\n\
         log: {{level: {level}, format: json}}\n{}{}",
        wanted.workers,
        folder.display(),
        lists.unwrap_or_default(),
        limits.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::urls::Lists;
    use icapstan_testkit::binary;
    use std::process::Command;

    #[test]
    fn the_product_takes_what_is_rendered() {
        let dir = icapstan_testkit::tempdir();
        let file = dir.path().join("icapstan.yaml");
        let lists = Lists::nowhere();
        let (signatures, lists) = (Some(Path::new("/s")), Some(&lists));
        for (signatures, lists, reqmod, respmod) in
            [(None, None, "none", "none"), (signatures, None, "all", "content"), (None, lists, "url", "none")]
        {
            let queue = signatures.map(|_| 77);
            let wanted = Wanted { connections: 16, signatures, lists, workers: 2, queue, remembers: false };
            let text = render(&wanted, Levels::Quiet, dir.path());
            assert!(text.contains(&format!("path: /reqmod, modes: [REQMOD], scan: {reqmod}}}")), "{text}");
            assert!(text.contains(&format!("path: /respmod, modes: [RESPMOD], scan: {respmod}}}")), "{text}");
            assert_eq!(text.contains("urlLists: {file: /l/list.compiled}\n"), lists.is_some());
            assert_eq!(text.contains("limits: {queueLength: 77}\n"), signatures.is_some());
            std::fs::write(&file, &text).unwrap();
            let output = Command::new(binary("icapstan")).arg("check-config").arg(&file).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            // The file with the lists is nowhere, and nothing else is wrong.
            let is_expected = |line: &str| line.contains("urlLists: ") && line.contains("/l/list.compiled");
            let is_right =
                if lists.is_some() { said.lines().all(is_expected) } else { output.status.success() };
            assert!(is_right, "{text}\n{said}");
        }
    }
}
