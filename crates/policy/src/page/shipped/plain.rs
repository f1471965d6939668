//! Plain text, one value a line.

use super::{mistake, rows};
use crate::TemplateId;
use crate::page::PageContext;
use crate::page::wording::{Wording, Words};
use crate::text::{Escape, push_inert};

pub(super) fn body(words: &Words, template: TemplateId, context: &PageContext<'_>) -> String {
    let Wording { title, text, cause } = words.wording(template, context.verdict);
    let mut page = String::with_capacity(2 * 1024);
    for part in [title, "\n\n", text, "\n", cause, if cause.is_empty() { "" } else { "\n" }] {
        page.push_str(part);
    }
    page.push('\n');
    for row in rows(words, context) {
        page.push_str(row.label);
        page.push_str(": ");
        push_inert(&mut page, row.value, Escape::Nothing, row.most, row.cut);
        page.push('\n');
    }
    page.push('\n');
    page.push_str(mistake(words, context));
    page.push('\n');
    page
}
