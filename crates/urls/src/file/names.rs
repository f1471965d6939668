//! The lists of a file, as bytes.
//!
//! ```text
//!  for each list, in the order of precedence:
//!   1  kind     1  is there a category     2, 2, 2  lengths of name, category, source
//!   8  keys     8  networks                then the texts
//! ```

use super::OpenError;
use crate::lists::{Kind, List, ListInfo};
use std::sync::Arc;

/// More lists than this in one file are refused.
pub const MAX_LISTS: usize = 1024;

/// Names, categories and sources may be as long as this, in bytes.
pub const MAX_NAME: usize = 1024;

/// What stands before the texts of a list.
const FIXED: usize = 24;

/// The lists as bytes.
pub(crate) fn encode(lists: &[List]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for List { info, keys, networks } in lists {
        let texts = [&*info.name, info.category.as_deref().unwrap_or_default(), &*info.source];
        bytes.extend([info.kind as u8, u8::from(info.category.is_some())]);
        for text in texts {
            let len = u16::try_from(text.len()).expect("the compiler refuses longer names");
            bytes.extend(len.to_le_bytes());
        }
        bytes.extend(keys.to_le_bytes());
        bytes.extend(networks.to_le_bytes());
        bytes.extend(texts.concat().as_bytes());
    }
    bytes
}

/// The lists of a file. They are refused if they do not stand in the order of precedence.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<Box<[Arc<List>]>, OpenError> {
    let mut lists: Vec<Arc<List>> = Vec::new();
    while !bytes.is_empty() {
        let list = one(&mut bytes).ok_or(OpenError::Malformed("a list"))?;
        if lists.last().is_some_and(|last| last.info.kind > list.info.kind) {
            return Err(OpenError::Malformed("order of lists"));
        }
        if lists.len() == MAX_LISTS {
            return Err(OpenError::Malformed("too many lists"));
        }
        lists.push(Arc::new(list));
    }
    Ok(lists.into())
}

fn one(bytes: &mut &[u8]) -> Option<List> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
    *bytes = rest;
    let kind = *Kind::ALL.get(usize::from(fixed[0]))?;
    let lengths = [2, 4, 6].map(|at| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]])));
    let [name, category, source] = lengths.map(|len| text(bytes, len));
    let (name, category, source) = (name?, category?, source?);
    let category = match fixed[1] {
        0 if category.is_empty() && kind != Kind::Category => None,
        1 => Some(category),
        _ => return None,
    };
    let info = ListInfo { name, kind, category, source };
    let number = |at| fixed[at..].first_chunk().copied().map(u64::from_le_bytes);
    Some(List { info, keys: number(8)?, networks: number(16)? })
}

fn text(bytes: &mut &[u8], len: usize) -> Option<Box<str>> {
    let (text, rest) = bytes.split_at_checked(len).filter(|_| len <= MAX_NAME)?;
    *bytes = rest;
    str::from_utf8(text).ok().map(Into::into)
}
