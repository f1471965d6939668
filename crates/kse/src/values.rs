//! Values of elements, read with patience and without trust.

use crate::draft::Draft;
use std::fmt::Display;

/// One value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) path: String,
    pub(crate) text: String,
}

// === impl Value ===

impl Value {
    /// A whole number. Without one there is a note, and the default stays.
    pub(crate) fn number(&self, draft: &mut Draft) -> Option<u64> {
        if self.text.is_empty() {
            draft.dropped(&self.path, "", "is empty; icapstan's default holds");
            return None;
        }
        let digits = self.text.chars().all(|c| c.is_ascii_digit());
        match self.text.parse() {
            Ok(number) if digits => Some(number),
            // So large that every bound is reached.
            _ if digits => Some(u64::MAX),
            _ => {
                draft.dropped(&self.path, &self.text, "is no whole number; icapstan's default holds");
                None
            }
        }
    }

    /// On or off. Without either there is a note, and the default stays.
    pub(crate) fn switch(&self, draft: &mut Draft) -> Option<bool> {
        let is = |words: &[&str]| words.iter().any(|word| self.text.eq_ignore_ascii_case(word));
        if is(&["1", "true", "yes", "on"]) {
            return Some(true);
        }
        if is(&["0", "false", "no", "off"]) {
            return Some(false);
        }
        draft.dropped(&self.path, &self.text, "is neither 0 nor 1; icapstan's default holds");
        None
    }

    /// The nearest number that icapstan allows. If that is another one, there is a note.
    pub(crate) fn within<T>(&self, draft: &mut Draft, number: u64, least: T, most: T) -> T
    where
        T: Copy + PartialOrd + Display + TryFrom<u64>,
    {
        let fitting = T::try_from(number).unwrap_or(most);
        let bound = if fitting < least {
            least
        } else if fitting > most || T::try_from(number).is_err() {
            most
        } else {
            return fitting;
        };
        let message = format!("icapstan allows {least} to {most}; {bound} is taken");
        draft.approximated(&self.path, &self.text, message);
        bound
    }
}
