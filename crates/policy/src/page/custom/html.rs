//! Where variables may stand in HTML: in text, in titles, and in a few quoted attributes.
//!
//! Follows the tokenizer of the HTML standard (section 13.2.5) as far as its states matter here, and
//! refuses what would make a browser read on differently.

use super::PageProblem;
use super::scan::{self, Scanner};

/// In which attributes a variable may stand, for people.
pub(super) const ALLOWED: &str = "alt, aria-*, data-*, datetime, label, placeholder, title, value";

/// Elements that run or fetch something, or whose content browsers read in ways of their own.
const REFUSED: [&str; 13] = [
    "script",
    "noscript",
    "plaintext",
    "xmp",
    "iframe",
    "noembed",
    "noframes",
    "frame",
    "frameset",
    "object",
    "embed",
    "base",
    "applet",
];

type Checked = Result<(), PageProblem>;

pub(super) fn check(page: &mut Scanner<'_>) -> Checked {
    loop {
        page.text(|rest| !rest.starts_with(['<', '&']))?;
        let mut next = page.rest().chars();
        match (next.next(), next.next()) {
            (None, _) => return Ok(()),
            (Some('&'), _) => reference(page)?,
            (_, Some('!')) => declaration(page)?,
            (_, Some('?')) => page.take_until(">", "in a <?...> declaration")?,
            (_, Some('/')) => end_tag(page)?,
            (_, Some(c)) if c.is_ascii_alphabetic() => start_tag(page)?,
            _ => {
                page.take();
                if page.at_variable() {
                    return Err(PageProblem::Place("right behind <"));
                }
            }
        }
    }
}

/// Takes `&` and what belongs to it. A value must not complete it.
fn reference(page: &mut Scanner<'_>) -> Checked {
    page.take();
    while page.rest().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '#') {
        page.take();
    }
    if page.at_variable() { Err(PageProblem::Place("in a character reference")) } else { Ok(()) }
}

fn declaration(page: &mut Scanner<'_>) -> Checked {
    if page.take_word("<![CDATA[") {
        return Err(PageProblem::Element("![CDATA[".to_owned()));
    }
    if !page.take_word("<!--") {
        return page.take_until(">", "in a <!...> declaration");
    }
    if page.take_word(">") || page.take_word("->") {
        return Ok(());
    }
    loop {
        if page.take_word("-->") || page.take_word("--!>") {
            return Ok(());
        }
        page.take_literal("in a comment")?.ok_or(PageProblem::Unclosed("a comment"))?;
    }
}

fn end_tag(page: &mut Scanner<'_>) -> Checked {
    page.take();
    page.take();
    if page.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
        let _ = name(page)?;
        attributes(page)
    } else {
        page.take_until(">", "in a tag")
    }
}

fn start_tag(page: &mut Scanner<'_>) -> Checked {
    page.take();
    let name = name(page)?;
    if REFUSED.contains(&name.as_str()) {
        return Err(PageProblem::Element(name));
    }
    attributes(page)?;
    match name.as_str() {
        "style" => style(page),
        "title" | "textarea" => title(page, &name),
        _ => Ok(()),
    }
}

/// Takes the name of a tag or attribute, in lower case.
fn name(page: &mut Scanner<'_>) -> Result<String, PageProblem> {
    let mut name = String::new();
    while !page.rest().starts_with(|c: char| is_space(c) || "/>=".contains(c)) {
        let c = page.take_literal("in a tag")?.ok_or(PageProblem::Unclosed("a tag"))?;
        name.push(c.to_ascii_lowercase());
    }
    Ok(name)
}

/// Takes a tag from behind its name to its end.
fn attributes(page: &mut Scanner<'_>) -> Checked {
    const TAG: PageProblem = PageProblem::Unclosed("a tag");
    loop {
        while page.rest().starts_with(|c: char| is_space(c) || c == '/') {
            page.take();
        }
        if page.take_word(">") {
            return Ok(());
        }
        // Browsers take a first `=` into the name.
        let first = page.take_literal("in a tag")?.ok_or(TAG)?;
        let name = format!("{}{}", first.to_ascii_lowercase(), name(page)?);
        skip_space(page);
        if !page.take_word("=") {
            continue;
        }
        skip_space(page);
        if page.take_word("\"") {
            value(page, &name, '"')?;
        } else if page.take_word("'") {
            value(page, &name, '\'')?;
        } else {
            while !page.rest().starts_with(|c: char| is_space(c) || c == '>') {
                page.take_literal("in an attribute without quotes")?.ok_or(TAG)?;
            }
        }
    }
}

/// Takes a quoted value and its last quote.
fn value(page: &mut Scanner<'_>, attribute: &str, quote: char) -> Checked {
    loop {
        let any = page.text(|rest| !rest.starts_with([quote, '&']))?;
        if any && !is_allowed(attribute) {
            return Err(PageProblem::Attribute(scan::quotable(attribute)));
        }
        if page.rest().starts_with('&') {
            reference(page)?;
        } else {
            return page.take().map(|_| ()).ok_or(PageProblem::Unclosed("an attribute"));
        }
    }
}

/// An attribute whose value is nothing but text.
fn is_allowed(attribute: &str) -> bool {
    matches!(attribute, "alt" | "datetime" | "label" | "placeholder" | "title" | "value")
        || attribute.starts_with("aria-")
        || attribute.starts_with("data-")
}

/// Takes the content of `<style>` and its end. Style sheets have braces of their own.
fn style(page: &mut Scanner<'_>) -> Checked {
    while !at_end_of(page.rest(), "style") {
        page.take_literal("in <style>")?.ok_or(PageProblem::Unclosed("<style>"))?;
    }
    Ok(())
}

/// Takes the content of an element that holds text only.
fn title(page: &mut Scanner<'_>, name: &str) -> Checked {
    loop {
        page.text(|rest| !rest.starts_with(['<', '&']))?;
        match page.rest() {
            "" => return Err(PageProblem::Unclosed(if name == "title" { "<title>" } else { "<textarea>" })),
            rest if rest.starts_with('&') => reference(page)?,
            rest if at_end_of(rest, name) => return Ok(()),
            // A value behind it might make an end tag of it.
            _ => return Err(PageProblem::Place("in a title with <; write &lt;")),
        }
    }
}

fn at_end_of(rest: &str, name: &str) -> bool {
    let behind = rest.strip_prefix("</").and_then(|rest| {
        rest.get(..name.len()).filter(|found| found.eq_ignore_ascii_case(name)).map(|_| &rest[name.len()..])
    });
    behind.is_some_and(|behind| behind.starts_with(|c: char| is_space(c) || "/>".contains(c)))
}

fn skip_space(page: &mut Scanner<'_>) {
    while page.rest().starts_with(is_space) {
        page.take();
    }
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}
