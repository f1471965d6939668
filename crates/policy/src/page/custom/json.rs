//! Where variables may stand in JSON: in strings that are values.

use super::PageProblem;
use super::scan::Scanner;

pub(super) fn check(page: &mut Scanner<'_>) -> Result<(), PageProblem> {
    // That it is JSON at all is seen afterwards.
    while let Some(c) = page.take_literal("outside of a string")? {
        if c == '"' {
            string(page)?;
        }
    }
    Ok(())
}

/// Takes a string from behind its first quote.
fn string(page: &mut Scanner<'_>) -> Result<(), PageProblem> {
    let mut any = false;
    loop {
        any |= page.text(|rest| !rest.starts_with(['"', '\\']))?;
        match page.take() {
            None => return Err(PageProblem::Unclosed("a string")),
            Some('\\') => {
                page.take_literal("in an escape")?;
            }
            Some(_) => break,
        }
    }
    if any && page.rest().trim_start().starts_with(':') {
        return Err(PageProblem::Place("in the name of a member"));
    }
    Ok(())
}
