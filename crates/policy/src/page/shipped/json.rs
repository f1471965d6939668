//! Problem details (RFC 9457).

use crate::TemplateId;
use crate::page::wording::{Wording, Words};
use crate::page::{MAX_TEXT, MAX_URL, PageContext};
use crate::text::{Cut, Escape, push_inert};

/// What types of problems begin with: a name that nobody is meant to look up (RFC 4151).
const TYPE: &str = "tag:icapstan.dev,2026:blocked/";

pub(super) fn body(words: &Words, template: TemplateId, context: &PageContext<'_>) -> String {
    let Wording { title, text, cause } = words.wording(template, context.verdict);
    let kind = format!("{TYPE}{template}");
    let gap = if cause.is_empty() || words.has_no_blanks() { "" } else { " " };
    let detail = [text, gap, cause].concat();
    let mut page = String::with_capacity(2 * 1024);
    page.push_str("{\"status\":403");
    // Our own words are not cut.
    for (name, value) in [("type", kind.as_str()), ("title", title), ("detail", &detail)] {
        push(&mut page, name, value, usize::MAX, Cut::End);
    }
    let verdict = context.verdict.kind().as_str();
    for (name, value) in [
        ("what", template.as_str()),
        ("verdict", verdict),
        ("reason", context.reason()),
        ("threat", context.threat()),
    ] {
        push(&mut page, name, value, MAX_TEXT, Cut::End);
    }
    push(&mut page, "url", context.url, MAX_URL, Cut::Middle);
    for (name, value) in [
        ("user", context.user),
        ("client", context.client),
        ("service", context.service),
        ("time", context.time),
        ("transaction", context.transaction),
    ] {
        push(&mut page, name, value, MAX_TEXT, Cut::End);
    }
    page.push_str("}\n");
    page
}

/// Adds a member, unless there is nothing to say.
fn push(page: &mut String, name: &str, value: &str, most: usize, cut: Cut) {
    if value.is_empty() {
        return;
    }
    for part in [",\"", name, "\":\""] {
        page.push_str(part);
    }
    push_inert(page, value, Escape::Json, most, cut);
    page.push('"');
}
