//! What a user sees in place of what was blocked.
//!
//! ```text
//!  Accept, Accept-Language ──▶ Wishes ─┐
//!  a folder ──load──▶ Templates ───────┴──page──▶ the operator's page, else the shipped one ──▶ BlockPage
//! ```

mod custom;
mod folder;
mod format;
mod shipped;
mod templates;
mod wishes;
mod wording;

use crate::TemplateId;
use folder::Folder;
use format::Format;
use icapstan_api::{RedirectUrl, Variable};
use icapstan_model::Verdict;
use wording::Words;

pub use folder::{TemplateFault, TemplatesError};
pub use templates::Templates;
pub use wishes::Wishes;

/// Longest address shown, in characters.
const MAX_URL: usize = 512;
/// Longest other text shown, in characters.
const MAX_TEXT: usize = 128;

/// What a shipped page may bring: its own style.
const SHIPPED_CONTENT: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// What a page from a folder may bring: also pictures and fonts that it has in itself.
const CUSTOM_CONTENT: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'";

/// A block page as an HTTP response, ready to be encapsulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPage {
    /// Status line and header fields, with the empty line.
    pub head: Vec<u8>,
    /// The page itself.
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
    /// The trace that it belongs to.
    pub trace: &'a str,
    /// When it was.
    pub time: &'a str,
    /// The ICAP service.
    pub service: &'a str,
}

// === impl BlockPage ===

impl BlockPage {
    /// No shipped page is longer, in bytes.
    pub const MAX_BODY: usize = 16 * 1024;
    /// No page from a folder is longer, in bytes: its file, and each variable with every character escaped.
    pub const MAX_CUSTOM_BODY: usize = Folder::MAX_FILE + custom::CustomPage::MAX_VARIABLES * 6 * MAX_URL;

    /// Writes the shipped page in English and HTML.
    pub fn render(template: TemplateId, context: &PageContext<'_>) -> Self {
        Self::shipped(Words::english(), Format::Html, template, context)
    }

    fn shipped(words: &Words, format: Format, template: TemplateId, context: &PageContext<'_>) -> Self {
        let body = shipped::body(words, format, template, context);
        Self::new(body, format, words.tag, SHIPPED_CONTENT)
    }

    /// `language` may be empty: then nobody knows it.
    fn new(body: String, format: Format, language: &str, content: &str) -> Self {
        let (length, media_type) = (body.len(), format.media_type());
        let language = match language {
            "" => String::new(),
            language => format!("Content-Language: {language}\r\n"),
        };
        let head = format!(
            "HTTP/1.1 403 Forbidden\r\n\
             Content-Type: {media_type}\r\n\
             Content-Length: {length}\r\n\
             {language}\
             Vary: Accept, Accept-Language\r\n\
             Cache-Control: no-store\r\n\
             Content-Security-Policy: {content}\r\n\
             X-Content-Type-Options: nosniff\r\n\
             \r\n"
        );
        Self { head: head.into_bytes(), body: body.into_bytes() }
    }

    /// Sends the client elsewhere (RFC 9110 section 15.4.3). `verdict` is what the address may tell of
    /// what was found, as in `X-Icapstan-Reason`.
    pub fn redirect(to: &RedirectUrl, context: &PageContext<'_>, verdict: &str) -> Self {
        let location = to.fill(|variable| match variable {
            Variable::Url => cut(context.url, MAX_URL),
            Variable::Threat => context.threat(),
            Variable::Verdict => verdict,
            Variable::Client => context.client,
            Variable::User => cut(context.user, MAX_TEXT),
            Variable::Transaction => context.transaction,
            Variable::Service => context.service,
        });
        let head = format!(
            "HTTP/1.1 302 Found\r\n\
             Location: {location}\r\n\
             Content-Length: 0\r\n\
             Cache-Control: no-store\r\n\
             \r\n"
        );
        Self { head: head.into_bytes(), body: Vec::new() }
    }
}

// === impl PageContext ===

impl<'a> PageContext<'a> {
    /// The name of the threat, if there is one.
    fn threat(&self) -> &'a str {
        self.verdict.threat().map_or("", |name| name.as_str())
    }

    /// Why it was not scanned, if it was not.
    fn reason(&self) -> &'static str {
        self.verdict.reason().map_or("", |reason| reason.as_str())
    }
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests;
