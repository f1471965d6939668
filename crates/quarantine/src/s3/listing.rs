//! What is in a bucket, page by page.

use super::{Inner, Plain, S3Error, sign};
use crate::id::Id;
use crate::place::Entry;
use hyper::Method;
use std::collections::VecDeque;
use std::sync::Arc;

/// No list has more pages, each of up to 1000 objects.
const MAX_PAGES: usize = 100_000;

/// All objects of a bucket. After an error there are no more.
pub(crate) struct Pages {
    inner: Arc<Inner>,
    ready: VecDeque<Entry>,
    /// Where the next page begins; `None`: there is none.
    next: Option<String>,
    read: usize,
}

/// One answer.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    entries: Vec<Entry>,
    next: Option<String>,
}

// === impl Pages ===

impl Pages {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, ready: VecDeque::new(), next: Some(String::new()), read: 0 }
    }

    fn fetch(&mut self, token: &str) -> Result<(), S3Error> {
        self.read += 1;
        if self.read > MAX_PAGES {
            return Err(S3Error::Unusable("a list without an end"));
        }
        let from = match token {
            "" => String::new(),
            token => format!("continuation-token={}&", sign::encode(token, b"")),
        };
        let query = format!("{from}list-type=2&prefix={}", sign::encode(&self.inner.prefix, b""));
        let path = if self.inner.root.is_empty() { "/".to_owned() } else { self.inner.root.clone() };
        let answer = self.inner.ask(Plain { method: Method::GET, path, query, body: None })?;
        let page = Page::parse(&answer, &self.inner.prefix)?;
        if page.next.as_deref() == Some(token) {
            return Err(S3Error::Unusable("a list that does not go on"));
        }
        self.ready.extend(page.entries);
        self.next = page.next;
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = Result<Entry, S3Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            let token = self.next.take()?;
            if let Err(error) = self.fetch(&token) {
                return Some(Err(error));
            }
        }
    }
}

// === impl Page ===

impl Page {
    /// Objects of other names are somebody else's.
    fn parse(answer: &[u8], prefix: &str) -> Result<Self, S3Error> {
        let fault = |what| S3Error::Unusable(what);
        let text = std::str::from_utf8(answer).map_err(|_| fault("a list that is no text"))?;
        let xml = roxmltree::Document::parse(text).map_err(|_| fault("a list that is no XML"))?;
        let root = xml.root_element();
        if root.tag_name().name() != "ListBucketResult" {
            return Err(fault("a list that is none"));
        }
        let mut entries = Vec::new();
        for object in root.children().filter(|node| node.tag_name().name() == "Contents") {
            let key = child(object, "Key").ok_or_else(|| fault("an object without a key"))?;
            let Some(id) = key.strip_prefix(prefix).and_then(Id::of_name) else { continue };
            let size = child(object, "Size").and_then(|size| size.parse().ok());
            entries.push(Entry { id, size: size.ok_or_else(|| fault("an object without a size"))? });
        }
        let next = match child(root, "IsTruncated") {
            Some("true") => {
                let token = child(root, "NextContinuationToken").filter(|token| !token.is_empty());
                Some(token.ok_or_else(|| fault("a part of a list without the next"))?.to_owned())
            }
            _ => None,
        };
        Ok(Self { entries, next })
    }
}

fn child<'x>(node: roxmltree::Node<'x, '_>, name: &str) -> Option<&'x str> {
    node.children().find(|node| node.tag_name().name() == name)?.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "20240229T123456.000042Z-0123456789abcdef";

    #[test]
    fn pages_are_read_and_what_is_not_ours_is_left_out() {
        let page = |more: &str| {
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>{more}\
                 </ListBucketResult>"
            );
            Page::parse(text.as_bytes(), "q/")
        };
        let object = |key: &str| format!("<Contents><Key>{key}</Key><Size>7</Size></Contents>");
        let all = ["q/{}.age", "{}.age", "q/notes", "q/", "q/x/{}.age"]
            .map(|key| object(&key.replace("{}", ID)))
            .concat();
        let id = Id::parse(ID).unwrap();
        let entries = vec![Entry { id, size: 7 }];
        let last = page(&format!("<IsTruncated>false</IsTruncated>{all}")).unwrap();
        assert_eq!(last, Page { entries, next: None });
        let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;/=</NextContinuationToken>";
        assert_eq!(page(more).unwrap(), Page { entries: Vec::new(), next: Some("a&/=".to_owned()) });
        assert!(page("<IsTruncated>true</IsTruncated>").is_err());
        assert!(page("<Contents><Size>1</Size></Contents>").is_err());
        assert!(page(&format!("<Contents><Key>q/{ID}.age</Key></Contents>")).is_err());
        for wrong in ["", "<Error/>", "\u{0}", "<ListBucketResult>"] {
            assert!(Page::parse(wrong.as_bytes(), "").is_err(), "{wrong}");
        }
        assert!(Page::parse(b"\xff", "").is_err());
    }
}
