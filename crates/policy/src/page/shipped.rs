//! The shipped pages.

mod html;
mod json;
mod plain;

use super::{Format, MAX_TEXT, MAX_URL, PageContext};
use crate::TemplateId;
use crate::page::wording::Words;
use crate::text::Cut;

/// A value of a page and how it is cut.
struct Row<'a> {
    label: &'static str,
    value: &'a str,
    most: usize,
    cut: Cut,
}

/// Writes a page.
pub(super) fn body(words: &Words, format: Format, template: TemplateId, context: &PageContext<'_>) -> String {
    match format {
        Format::Html => html::body(words, template, context),
        Format::Text => plain::body(words, template, context),
        Format::Json => json::body(words, template, context),
    }
}

/// What is told besides what happened; never an empty value.
fn rows<'a>(words: &Words, context: &PageContext<'a>) -> impl Iterator<Item = Row<'a>> + use<'a> {
    let labels = &words.labels;
    let row = |label, value| Row { label, value, most: MAX_TEXT, cut: Cut::End };
    let rows = [
        Row { label: labels.url, value: context.url, most: MAX_URL, cut: Cut::Middle },
        row(labels.threat, context.threat()),
        row(labels.reason, context.reason()),
        row(labels.user, context.user),
        row(labels.client, context.client),
        row(labels.service, context.service),
        row(labels.time, context.time),
        row(labels.transaction, context.transaction),
    ];
    rows.into_iter().filter(|row| !row.value.is_empty())
}

/// What to do about a mistake.
fn mistake(words: &Words, context: &PageContext<'_>) -> &'static str {
    words.mistake[usize::from(context.transaction.is_empty())]
}
