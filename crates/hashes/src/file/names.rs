//! The lists of a file, and what their entries are called, as bytes.
//!
//! ```text
//!  for each list, in the order given:          for each name, at any place:
//!   1  kind     1  zero                         2  which list
//!   2, 2  lengths of name and source            1  length
//!   8  entries      then the texts                 then the text; none: the list's own
//! ```

use super::OpenError;
use crate::lists::{Kind, List, ListInfo, MAX_ENTRY_NAME};
use std::sync::Arc;

/// More lists than this in one file are refused.
pub const MAX_LISTS: usize = 1024;

/// Names of lists and sources may be as long as this, in bytes.
pub const MAX_NAME: usize = 1024;

/// Set where a name's place is kept with an entry of a list that allows: so those that deny come first.
pub(crate) const ALLOWS: u32 = 1 << 31;

/// What stands before the texts of a list.
const FIXED: usize = 14;

/// The lists as bytes.
pub(crate) fn encode(lists: &[List]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for List { info, entries } in lists {
        bytes.extend([info.kind as u8, 0]);
        for text in [&info.name, &info.source] {
            let len = u16::try_from(text.len()).expect("the compiler refuses longer names");
            bytes.extend(len.to_le_bytes());
        }
        bytes.extend(entries.to_le_bytes());
        bytes.extend(info.name.as_bytes());
        bytes.extend(info.source.as_bytes());
    }
    bytes
}

/// The lists of a file.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<Box<[Arc<List>]>, OpenError> {
    let mut lists: Vec<Arc<List>> = Vec::new();
    while !bytes.is_empty() {
        let list = one(&mut bytes).ok_or(OpenError::Malformed("a list"))?;
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
    let kind = *Kind::ALL.get(usize::from(fixed[0])).filter(|_| fixed[1] == 0)?;
    let [name, source] =
        [2, 4].map(|at| text(bytes, usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]))));
    let entries = fixed[6..].first_chunk().copied().map(u64::from_le_bytes)?;
    Some(List { info: ListInfo { name: name?, kind, source: source? }, entries })
}

fn text(bytes: &mut &[u8], len: usize) -> Option<Box<str>> {
    let (text, rest) = bytes.split_at_checked(len).filter(|_| len <= MAX_NAME)?;
    *bytes = rest;
    str::from_utf8(text).ok().map(Into::into)
}

/// A name as bytes, after it was cut.
pub(crate) fn encode_name(list: u16, name: &str) -> Vec<u8> {
    let name = &name[..name.floor_char_boundary(MAX_ENTRY_NAME)];
    let len = u8::try_from(name.len()).expect("cut");
    [&list.to_le_bytes()[..], &[len], name.as_bytes()].concat()
}

/// The list and the name at this place.
pub(crate) fn name(names: &[u8], at: u32) -> Option<(usize, &str)> {
    let ([low, high, len], rest) = names.get(usize::try_from(at).ok()?..)?.split_first_chunk::<3>()?;
    let name = str::from_utf8(rest.get(..usize::from(*len))?).ok()?;
    Some((usize::from(u16::from_le_bytes([*low, *high])), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lists_come_back_and_cut_ones_are_none() {
        let names = [encode_name(3, "Worm"), encode_name(500, &"ä".repeat(150))].concat();
        assert_eq!(name(&names, 0), Some((3, "Worm")));
        assert_eq!(name(&names, 7), Some((500, &*"ä".repeat(100))));
        assert_eq!(name(&names[..names.len() - 1], 7), None);
        assert_eq!(name(&names, u32::MAX), None);
        let info = ListInfo { name: "a".into(), kind: Kind::Allow, source: "/x".into() };
        let bytes = encode(&[List { info: info.clone(), entries: 9 }]);
        assert_eq!(*decode(&bytes).unwrap()[0], List { info, entries: 9 });
        for len in 1..bytes.len() {
            assert!(decode(&bytes[..len]).is_err());
        }
    }
}
