//! HTML: complete in itself, for light and dark, narrow and wide, left to right and right to left.

use super::{mistake, rows};
use crate::TemplateId;
use crate::page::PageContext;
use crate::page::wording::{Wording, Words};
use crate::text::{Escape, push_inert};

/// From the language to the title.
const HEAD: &str = concat!(
    ">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta name=\"robots\" content=\"noindex\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
);

/// From the title to the text of the heading.
const STYLE: &str =
    concat!("</title>\n<style>\n", include_str!("style.css"), "</style>\n</head>\n<body>\n<main>\n");

/// A shield. Drawn, so that nothing has to be fetched.
const ICON: &str = concat!(
    "<svg viewBox=\"0 0 24 24\" width=\"40\" height=\"40\" aria-hidden=\"true\" focusable=\"false\">",
    "<path d=\"M12 2 4 5v6c0 5 3.4 9.3 8 11 4.6-1.7 8-6 8-11V5z\" fill=\"none\" stroke=\"currentColor\" ",
    "stroke-width=\"1.5\" stroke-linejoin=\"round\"/><path d=\"M12 7.5v5.5M12 16.2v.1\" fill=\"none\" ",
    "stroke=\"currentColor\" stroke-width=\"2\" stroke-linecap=\"round\"/></svg>\n",
);

pub(super) fn body(words: &Words, template: TemplateId, context: &PageContext<'_>) -> String {
    let Wording { title, text, cause } = words.wording(template, context.verdict);
    let mut page = String::with_capacity(8 * 1024);
    for part in ["<!DOCTYPE html>\n<html lang=\"", words.tag, "\""] {
        page.push_str(part);
    }
    if words.right_to_left {
        page.push_str(" dir=\"rtl\"");
    }
    for part in [HEAD, title, STYLE, "<header>\n", ICON] {
        page.push_str(part);
    }
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
    for row in rows(words, context) {
        page.push_str("<div><dt>");
        page.push_str(row.label);
        // The direction of one value never rearranges what stands around it.
        page.push_str("</dt><dd><bdi>");
        push_inert(&mut page, row.value, Escape::Html, row.most, row.cut);
        page.push_str("</bdi></dd></div>\n");
    }
    page.push_str("</dl>\n<footer>");
    page.push_str(mistake(words, context));
    page.push_str("</footer>\n</main>\n</body>\n</html>\n");
    page
}
