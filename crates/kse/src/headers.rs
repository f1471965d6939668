//! Names of ICAP fields, and which are sent.

use crate::document::Section;
use crate::draft::Draft;
use crate::values::Value;
use icapstan_api::{DetectionHeaders, is_field_name};

/// What icapstan asks clients for (`X-Include`).
const ASKED_FOR: [&str; 4] =
    ["X-Client-IP", "X-Client-Username", "X-Authenticated-User", "X-Authenticated-Groups"];

pub(crate) fn import(section: &mut Section<'_>, draft: &mut Draft) {
    requested(section, draft);
    identity(section, draft);
    threat_name(section, draft);
    database_time(section, draft);
    switches(section, draft);
}

/// `RequestingICAPHeaders`: which fields clients are asked for.
fn requested(section: &mut Section<'_>, draft: &mut Draft) {
    let Some(list) = section.take("RequestingICAPHeaders", draft) else { return };
    list.has_only_attributes(&[], draft);
    let mut inner = list.section();
    for element in inner.take_all("ICAPHeader") {
        element.has_only(&[], draft);
        let name = element.text();
        if !name.is_empty() && !ASKED_FOR.iter().any(|asked| asked.eq_ignore_ascii_case(&name)) {
            let message = format!("icapstan asks for {}; others cannot be set", ASKED_FOR.join(", "));
            draft.dropped(&element.path, &name, message);
        }
    }
    inner.finish(draft);
}

/// The fields that tell who the user is.
fn identity(section: &mut Section<'_>, draft: &mut Draft) {
    let address = section.value("HTTPClientIpICAPHeader", draft);
    if let Some(name) = address.and_then(|value| field_name(value, draft)) {
        draft.config.identity.address_header = name;
        draft.write("identity.addressHeader");
    }
    let user = section.value("HTTPUserNameICAPHeader", draft);
    if let Some(name) = user.and_then(|value| field_name(value, draft)) {
        draft.config.identity.user_header = name;
        draft.write("identity.userHeader");
    }
    let message =
        "name the proxies in identity.trustedPeers: rules about clients and users believe those only";
    draft.remark("ICAPSettings/HTTPClientIpICAPHeader", "", message);
}

/// A name that can stand in front of a colon (RFC 9110 section 5.6.2).
fn field_name(value: Value, draft: &mut Draft) -> Option<String> {
    if value.text.len() > 64 || !is_field_name(&value.text) {
        draft.dropped(&value.path, &value.text, "is no name of a field; icapstan's default holds");
        return None;
    }
    Some(value.text)
}

/// The field with the name of the threat.
fn threat_name(section: &mut Section<'_>, draft: &mut Draft) {
    let Some(value) = section.value("VirusNameICAPHeader", draft) else { return };
    match value.text.to_ascii_lowercase().as_str() {
        "x-virus-id" => {}
        "" => {
            let message = "icapstan always sends X-Virus-ID with the name of the threat, on blocks";
            draft.approximated(&value.path, &value.text, message);
        }
        "x-infection-found" => {
            let message =
                "the bare name of the threat is in X-Virus-ID; X-Infection-Found has it as Threat=NAME;";
            draft.approximated(&value.path, &value.text, message);
        }
        _ => {
            if let Some(name) = own_name(value, draft) {
                draft.config.detection_headers.threat = name;
                draft.write("detectionHeaders.threat");
            }
        }
    }
}

/// The field with the time of the databases.
fn database_time(section: &mut Section<'_>, draft: &mut Draft) {
    let Some(value) =
        section.value("DatabaseVersionICAPHeader", draft).filter(|value| !value.text.is_empty())
    else {
        return;
    };
    if value.text.eq_ignore_ascii_case(&draft.config.detection_headers.threat) {
        return draft.dropped(&value.path, &value.text, "is the field with the name of the threat");
    }
    let path = value.path.clone();
    if let Some(name) = own_name(value, draft) {
        draft.remark(&path, &name, "sent on blocks with a threat that a scan found, as a date of HTTP");
        draft.config.detection_headers.database_time = Some(name);
        draft.write("detectionHeaders.databaseTime");
    }
}

/// A name of a field that has no other meaning.
fn own_name(value: Value, draft: &mut Draft) -> Option<String> {
    let is_free = |name: &str| {
        name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("X-"))
            && !DetectionHeaders::OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
    };
    if is_free(&value.text) {
        return field_name(value, draft);
    }
    let message =
        "only names that begin with X- and have no other meaning can be set; icapstan's default holds";
    draft.dropped(&value.path, &value.text, message);
    None
}

/// Which of the descriptive fields are sent.
fn switches(section: &mut Section<'_>, draft: &mut Draft) {
    let sent = "icapstan always sends it, on blocks; it cannot be turned off";
    for name in ["SendInfectionFoundICAPHeader", "SendResponseInfoICAPHeader"] {
        let Some(value) = section.value(name, draft) else { continue };
        match value.switch(draft) {
            Some(false) => draft.approximated(&value.path, &value.text, sent),
            Some(true) if name == "SendInfectionFoundICAPHeader" => {
                let message = "its Resolution is 2 (blocked) where the reference always has 0";
                draft.remark(&value.path, &value.text, message);
            }
            _ => {}
        }
    }
    if let Some(value) = section.value("SendResponseDescICAPHeader", draft)
        && let Some(is_sent) = value.switch(draft)
    {
        draft.config.detection_headers.description = is_sent;
        draft.write("detectionHeaders.description");
    }
    if let Some(value) = section.value("SendViolationsFoundICAPHeader", draft)
        && let Some(is_sent) = value.switch(draft)
    {
        draft.config.detection_headers.violations = is_sent;
        draft.write("detectionHeaders.violations");
    }
}
