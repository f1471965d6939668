//! The section `ICAPSettings`.

use crate::document::{Element, Section};
use crate::draft::Draft;
use crate::{headers, keep_alive, partial};
use icapstan_api::{ByteSize, Config, IcapService, Preview, ScanScope, ServiceMode};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// Where the reference listens unless told otherwise.
const PORT: u16 = 1344;

/// Objects up to this size fit into half of the memory of any machine that scans.
const SMALL: ByteSize = ByteSize::mib(256);

const MEMORY: (ByteSize, ByteSize) = (ByteSize::mib(1), ByteSize::gib(65_536));

/// Takes the section over. `rules_given` is whether there is a rules file.
pub(crate) fn import(mut section: Section<'_>, rules_given: bool, draft: &mut Draft) {
    listen(&mut section, draft);
    services(&mut section, draft);
    limits(&mut section, draft);
    keep_alive::import(&mut section, draft);
    headers::import(&mut section, draft);
    partial::import(&mut section, draft);
    files(&mut section, rules_given, draft);
    section.finish(draft);
}

/// Brings settings together that icapstan wants to fit each other.
pub(crate) fn fit(draft: &mut Draft) {
    partial::fit(draft);
    let object = draft.policy().scan.max_object_size;
    match draft.config.limits.memory {
        Some(memory) if object > memory => {
            draft.policy().scan.max_object_size = memory;
            draft.write("policies[].scan.maxObjectSize");
            let message = format!(
                "is more than RAMUsageLimit: such an object could never be taken in; maxObjectSize is {memory}"
            );
            draft.approximated("ICAPSettings/ScanMaxFileSize", &object.to_string(), message);
        }
        None if object > SMALL => {
            let memory = ByteSize::mib(2 * object.bytes().div_ceil(1 << 20));
            draft.config.limits.memory = Some(memory);
            draft.write("limits.memory");
            let message = format!(
                "no limit there; limits.memory is {memory}, twice the largest object. Where the machine or \
                 the container has less than twice that, set it, and maxObjectSize, lower"
            );
            draft.approximated("ICAPSettings/RAMUsageLimit", "", message);
        }
        _ => {}
    }
}

fn listen(section: &mut Section<'_>, draft: &mut Draft) {
    let port = section.value("Port", draft).and_then(|value| {
        let number = value.number(draft)?;
        let port = u16::try_from(number).ok().filter(|port| *port > 0);
        if port.is_none() {
            draft.approximated(&value.path, &value.text, format!("is no port; {PORT} is taken"));
        }
        port
    });
    let port = port.unwrap_or(PORT);
    draft.config.listen = Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    draft.write("listen");
    let message = "the reference listens on all addresses, so icapstan does too; name one address in \
                   `listen` where that is enough";
    draft.remark("ICAPSettings/Port", &port.to_string(), message);
    if port == draft.config.admin.port() {
        draft.config.admin.set_port(port.checked_add(1).unwrap_or(PORT));
        draft.write("admin");
        let message = format!("is the port of `admin`, which is {} now", draft.config.admin);
        draft.approximated("ICAPSettings/Port", &port.to_string(), message);
    }
}

fn services(section: &mut Section<'_>, draft: &mut Draft) {
    let mut req = path(section, "ReqModeAddress", "req", draft);
    let mut resp = path(section, "RespModeAddress", "resp", draft);
    if req == resp {
        let message = "is the same as ReqModeAddress; /req and /resp are taken";
        draft.approximated("ICAPSettings/RespModeAddress", &resp, message);
        (req, resp) = ("/req".to_owned(), "/resp".to_owned());
    }
    let allow204 = if let Some(value) = section.value("Allow204", draft) {
        value.switch(draft).unwrap_or(true)
    } else {
        let message = "0 is the reference's default, so unchanged messages are sent back whole; `allow204: true` \
                       saves that where clients allow it";
        draft.remark("ICAPSettings/Allow204", "", message);
        false
    };
    let preview = exclusions(section, draft);
    let scopes = [("ScanInReqMode", "URL"), ("ScanInRespMode", "Content")]
        .map(|(name, advised)| scope(section, name, advised, draft));
    let [scan_req, scan_resp] = scopes;
    let service =
        |path: &str, mode, scan| IcapService { scan, allow204, preview, ..IcapService::new(path, &[mode]) };
    draft.config.services =
        vec![service(&req, ServiceMode::Reqmod, scan_req), service(&resp, ServiceMode::Respmod, scan_resp)];
    for field in ["services[].allow204", "services[].preview", "services[].scan"] {
        draft.write(field);
    }
}

/// The path of a service: a name of one to sixteen Latin letters, `_` and `-`.
fn path(section: &mut Section<'_>, name: &str, default: &str, draft: &mut Draft) -> String {
    let fallback = format!("/{default}");
    let Some(value) = section.value(name, draft) else { return fallback };
    let word = value.text.trim_matches('/');
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if word.is_empty() || word.len() > 64 || !word.chars().all(allowed) {
        draft.approximated(&value.path, &value.text, format!("is no path; {fallback} is taken"));
        return fallback;
    }
    format!("/{word}")
}

/// What of a message is looked at.
fn scope(section: &mut Section<'_>, name: &str, advised: &str, draft: &mut Draft) -> ScanScope {
    let Some(value) = section.value(name, draft) else {
        let message = format!("All is the reference's default, and written; its advice is {advised}");
        draft.remark(&format!("ICAPSettings/{name}"), "", message);
        return ScanScope::All;
    };
    match value.text.to_ascii_lowercase().as_str() {
        "all" => ScanScope::All,
        "content" => ScanScope::Content,
        "url" => {
            let message = "URLs are looked up in icapstan's own lists, which hold what you put there and no \
                           reputation service; bodies pass unscanned. `scan: all` looks at them too";
            draft.approximated(&value.path, &value.text, message);
            ScanScope::Url
        }
        "" => {
            draft.remark(&value.path, "", "is empty: nothing is scanned in this mode, as there");
            ScanScope::None
        }
        _ => {
            draft.approximated(&value.path, &value.text, "is not Content, URL or All; all is scanned");
            ScanScope::All
        }
    }
}

fn limits(section: &mut Section<'_>, draft: &mut Draft) {
    if let Some(value) = section.value("MaxIcapSessionsCount", draft)
        && let Some(number) = value.number(draft)
    {
        if number == 0 {
            draft.dropped(&value.path, &value.text, "is none at all; icapstan's default holds");
        } else {
            draft.config.limits.sessions = value.within(draft, number, 1, 1_000_000);
            draft.write("limits.sessions");
        }
    }
    if let Some(value) = section.value("RAMUsageLimit", draft)
        && let Some(number @ 1..) = value.number(draft)
    {
        let memory = ByteSize::new(number.saturating_mul(1 << 20));
        draft.config.limits.memory = Some(size_within(&value, draft, memory, MEMORY));
        draft.write("limits.memory");
        let message = "read as a number of MiB. It bounds messages only: signatures and workers come on top \
                       (scanner.memory for each worker)";
        draft.approximated(&value.path, &value.text, message);
    }
    let size = section.value("ScanMaxFileSize", draft);
    let number = size.as_ref().map_or(Some(0), |value| value.number(draft));
    match (number, size) {
        (Some(0), size) => {
            draft.policy().scan.max_object_size = Config::MAX_OBJECT;
            let message = format!(
                "no limit there{}; the largest object that the engine takes is {} bytes, and that is written. \
                 The reference's advice is 10343 KB (`maxObjectSize: 10343Ki`)",
                if size.is_some() { "" } else { ", which is the reference's default" },
                Config::MAX_OBJECT.bytes()
            );
            draft.approximated(
                "ICAPSettings/ScanMaxFileSize",
                &size.map(|size| size.text).unwrap_or_default(),
                message,
            );
        }
        (Some(number), Some(value)) => {
            let size = ByteSize::new(number.saturating_mul(1 << 10));
            let bounds = (ByteSize::new(1), Config::MAX_OBJECT);
            draft.policy().scan.max_object_size = size_within(&value, draft, size, bounds);
            draft.remark(&value.path, &value.text, "read as a number of KiB");
        }
        _ => return,
    }
    draft.write("policies[].scan.maxObjectSize");
}

/// The nearest size that icapstan allows. If that is another one, there is a note.
fn size_within(
    value: &crate::values::Value,
    draft: &mut Draft,
    size: ByteSize,
    (least, most): (ByteSize, ByteSize),
) -> ByteSize {
    let bound = size.clamp(least, most);
    if bound != size {
        let message = format!("icapstan allows {least} to {most}; {bound} is taken");
        draft.approximated(&value.path, &value.text, message);
    }
    bound
}

/// What is let pass after a look at its beginning. Returns the preview that clients are asked for.
fn exclusions(section: &mut Section<'_>, draft: &mut Draft) -> Preview {
    let given = section.take("Exclusions", draft).is_some_and(|exclusions| {
        exclusions.has_only_attributes(&[], draft);
        let mut inner = exclusions.section();
        let given = !inner.is_empty();
        for name in ["ContentSize", "ContentType", "RequestURL"] {
            for element in inner.take_all(name) {
                element.has_only(&[], draft);
                exclusion(&element, draft);
            }
        }
        inner.finish(draft);
        given
    });
    if given {
        return Preview::default();
    }
    let message = "without exclusions the reference has previews off, and so has the imported file; a preview \
                   (icapstan's default is `preview: 4096`) lets many messages end early";
    draft.remark("ICAPSettings/Exclusions", "", message);
    Preview::OFF
}

fn exclusion(element: &Element<'_>, draft: &mut Draft) {
    let instead = match element.name() {
        "ContentSize" => "`when: {size: {min: ...}}`; the length is what the message says of itself",
        "ContentType" => {
            "`when: {types: [...]}`; types are told by first bytes and not by what the origin claims"
        }
        _ => "`when: {hosts: [...]}` or `urls`",
    };
    let message = format!(
        "is a hole, and whether it is still wanted is for you to say: what is left out is not scanned. Write it as \
         an entry of policies[].skip with {instead}"
    );
    draft.dropped(&element.path, &element.text(), message);
}

/// Files and signals.
fn files(section: &mut Section<'_>, rules_given: bool, draft: &mut Draft) {
    if let Some(value) = section.value("RulesFilePath", draft)
        && !rules_given
    {
        let message = "the rules were not given, so icapstan's own defaults hold; name the file with --rules";
        draft.dropped(&value.path, &value.text, message);
    }
    if let Some(value) = section.value("CmdPath", draft) {
        let path = Path::new(&value.text);
        if !rules_given {
            let message = "scripts are called by rules, which were not given; name their file with --rules";
            draft.dropped(&value.path, &value.text, message);
        } else if path.is_absolute() {
            draft.scripts = Some(path.to_owned());
            let message = "scripts that rules name are looked for there, and are hooks (`hooks.exec`)";
            draft.remark(&value.path, &value.text, message);
        } else {
            draft.dropped(&value.path, &value.text, "is not an absolute path; scripts are not found");
        }
    }
    let gone = [
        (
            "ResponsesPath",
            "pages have other variables here and are not read; yours, written anew, can be put into templates.folder",
        ),
        (
            "USR1SignalAction",
            "SIGHUP has settings and signatures read anew; both are also followed without it",
        ),
        (
            "USR2SignalAction",
            "SIGHUP has settings and signatures read anew; both are also followed without it",
        ),
        ("LoggingConfigFilePath", "see log.level, log.format and log.access"),
    ];
    for (name, message) in gone {
        if let Some(value) = section.value(name, draft) {
            draft.dropped(&value.path, &value.text, message);
        }
    }
}
