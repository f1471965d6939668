//! What a user sees in place of what was blocked.

mod wording;

use crate::TemplateId;
use crate::text::{Cut, push_inert};
use icapstan_model::Verdict;
use wording::Wording;

/// The page up to its title.
const HEAD: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta name=\"robots\" content=\"noindex\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
);

/// From the title to the text of the heading.
const STYLE: &str =
    concat!("</title>\n<style>\n", include_str!("page/style.css"), "</style>\n</head>\n<body>\n<main>\n");

/// A shield. Drawn, so that nothing has to be fetched.
const ICON: &str = concat!(
    "<svg viewBox=\"0 0 24 24\" width=\"40\" height=\"40\" aria-hidden=\"true\" focusable=\"false\">",
    "<path d=\"M12 2 4 5v6c0 5 3.4 9.3 8 11 4.6-1.7 8-6 8-11V5z\" fill=\"none\" stroke=\"currentColor\" ",
    "stroke-width=\"1.5\" stroke-linejoin=\"round\"/><path d=\"M12 7.5v5.5M12 16.2v.1\" fill=\"none\" ",
    "stroke=\"currentColor\" stroke-width=\"2\" stroke-linecap=\"round\"/></svg>\n",
);

/// Longest address shown, in characters.
const MAX_URL: usize = 512;
/// Longest other text shown, in characters.
const MAX_TEXT: usize = 128;

/// A block page as an HTTP response, ready to be encapsulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPage {
    /// Status line and header fields, with the empty line.
    pub head: Vec<u8>,
    /// The HTML.
    pub body: Vec<u8>,
}

/// What a page tells. All texts may come from anywhere; empty ones are left out.
#[derive(Clone, Copy, Debug)]
pub struct PageContext<'a> {
    /// The finding that decided: its threat, or its reason, is shown.
    pub verdict: &'a Verdict,
    /// The address that was asked for.
    pub url: &'a str,
    /// The address of the client.
    pub client: &'a str,
    /// Who asked.
    pub user: &'a str,
    /// What the log calls the transaction.
    pub transaction: &'a str,
    /// When it was.
    pub time: &'a str,
    /// The ICAP service.
    pub service: &'a str,
}

// === impl BlockPage ===

impl BlockPage {
    /// No page is longer, in bytes.
    pub const MAX_BODY: usize = 16 * 1024;

    /// Writes the page.
    pub fn render(template: TemplateId, context: &PageContext<'_>) -> Self {
        let body = body(template, context).into_bytes();
        Self { head: head(body.len()), body }
    }
}

fn head(length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 403 Forbidden\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Length: {length}\r\n\
         Content-Language: en\r\n\
         Cache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         X-Content-Type-Options: nosniff\r\n\
         \r\n"
    )
    .into_bytes()
}

fn body(template: TemplateId, context: &PageContext<'_>) -> String {
    let Wording { title, text, cause } = Wording::of(template, context.verdict);
    let mut page = String::with_capacity(8 * 1024);
    page.push_str(HEAD);
    page.push_str(title);
    page.push_str(STYLE);
    page.push_str("<header>\n");
    page.push_str(ICON);
    for (before, words, after) in
        [("<h1>", title, "</h1>\n</header>\n"), ("<p>", text, "</p>\n"), ("<p>", cause, "</p>\n")]
    {
        if !words.is_empty() {
            page.push_str(before);
            page.push_str(words);
            page.push_str(after);
        }
    }
    page.push_str("<dl>\n");
    push_row(&mut page, "Address", context.url, MAX_URL, Cut::Middle);
    let threat = context.verdict.threat().map_or("", |name| name.as_str());
    let reason = context.verdict.reason().map_or("", |reason| reason.as_str());
    let rows = [
        ("Found", threat),
        ("Reason", reason),
        ("User", context.user),
        ("Client", context.client),
        ("Service", context.service),
        ("Time", context.time),
        ("Reference", context.transaction),
    ];
    for (label, value) in rows {
        push_row(&mut page, label, value, MAX_TEXT, Cut::End);
    }
    page.push_str("</dl>\n<footer>If you think that this is a mistake, tell your administrator");
    if !context.transaction.is_empty() {
        page.push_str(" and name the reference above");
    }
    page.push_str(".</footer>\n</main>\n</body>\n</html>\n");
    page
}

fn push_row(page: &mut String, label: &str, value: &str, most: usize, cut: Cut) {
    if value.is_empty() {
        return;
    }
    page.push_str("<div><dt>");
    page.push_str(label);
    // The direction of one value never rearranges what stands around it.
    page.push_str("</dt><dd><bdi>");
    push_inert(page, value, most, cut);
    page.push_str("</bdi></dd></div>\n");
}

#[cfg(test)]
mod tests;
