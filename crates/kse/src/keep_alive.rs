//! The element `KeepAliveSettings`.

use crate::document::Section;
use crate::draft::Draft;
use std::time::Duration;

const HOUR: u64 = 3_600_000;

/// Squid keeps its side for a minute.
const CLIENTS_KEEP: u64 = 60_000;

pub(crate) fn import(section: &mut Section<'_>, draft: &mut Draft) {
    let Some(element) = section.take("KeepAliveSettings", draft) else {
        let message =
            "icapstan's default holds: connections are kept for 70 s between requests, and serve any number";
        draft.remark("ICAPSettings/KeepAliveSettings", "", message);
        return;
    };
    let names = ["Enabled", "TimeoutMs", "MaxRequests", "UseAlways"];
    element.has_only_attributes(&names, draft);
    let mut inner = element.section();
    let [enabled, timeout, requests, always] = names.map(|name| element.inner_value(name, &mut inner, draft));
    inner.finish(draft);
    if let Some(on) = enabled.and_then(|value| value.switch(draft)) {
        draft.config.keep_alive.enabled = on;
        draft.write("keepAlive.enabled");
    }
    if let Some(value) = timeout
        && let Some(millis) = value.number(draft)
    {
        let most = 24 * HOUR;
        let millis = if millis == 0 {
            draft.approximated(&value.path, &value.text, "no limit there; icapstan's longest, 24h, is taken");
            most
        } else {
            value.within(draft, millis, 1000, most)
        };
        draft.config.keep_alive.idle_timeout = Duration::from_millis(millis);
        draft.write("keepAlive.idleTimeout");
        if millis <= CLIENTS_KEEP {
            let message = "Squid keeps idle connections for a minute; whoever closes first should be the client, \
                           so 70s is better";
            draft.remark(&value.path, &value.text, message);
        }
    }
    if let Some(value) = requests
        && let Some(number) = value.number(draft)
    {
        draft.config.keep_alive.max_requests = value.within(draft, number, 0, u32::MAX);
        draft.write("keepAlive.maxRequests");
    }
    let always = always.and_then(|value| value.switch(draft).map(|on| (value, on)));
    // Beside `enabled: false` it would say nothing.
    if let Some((value, always)) = always
        && draft.config.keep_alive.enabled
    {
        draft.config.keep_alive.only_when_asked = !always;
        draft.write("keepAlive.onlyWhenAsked");
        if !always {
            let message = "Squid never asks for it, so each of its requests gets a connection of its own; \
                           `onlyWhenAsked: false` spares those";
            draft.remark(&value.path, &value.text, message);
        }
    }
}
