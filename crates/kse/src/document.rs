//! The XML document, taken apart element by element so that none is forgotten.

use crate::draft::Draft;
use crate::import::ImportError;
use crate::note::quotable;
use crate::values::Value;
use roxmltree::{Document, Node, ParsingOptions};

/// No document is nested deeper.
const MAX_DEPTH: usize = 16;

/// No document has more elements and texts, and none has more attributes: each is compared with all others of
/// its element. Real ones have about a hundred.
const MAX_NODES: u32 = 10_000;

/// One element.
#[derive(Clone, Debug)]
pub(crate) struct Element<'a> {
    /// Where it stands below the root, such as `ICAPSettings/Port`.
    pub(crate) path: String,
    node: Node<'a, 'a>,
}

/// An element that holds others, and which of them were not asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Section<'a> {
    left: Vec<Element<'a>>,
}

/// Parses a text.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, ImportError> {
    if text.bytes().filter(|byte| *byte == b'=').take(MAX_NODES as usize + 1).count() > MAX_NODES as usize {
        return Err(ImportError::TooManyNodes { limit: MAX_NODES });
    }
    // No document type: that leaves no entities to expand and nothing external to fetch.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::DtdDetected => ImportError::DocumentType,
        roxmltree::Error::NodesLimitReached => ImportError::TooManyNodes { limit: MAX_NODES },
        error => ImportError::NotXml { message: quotable(&error.to_string()) },
    })?;
    if deeper_than(document.root_element(), MAX_DEPTH) {
        return Err(ImportError::TooDeep { limit: MAX_DEPTH });
    }
    Ok(document)
}

/// Names are as long as the input likes, and stand in the path of each element below.
fn join(path: &str, name: &str) -> String {
    let name = quotable(name);
    if path.is_empty() { name } else { format!("{path}/{name}") }
}

/// Goes no further down than that itself.
fn deeper_than(node: Node<'_, '_>, levels: usize) -> bool {
    match levels.checked_sub(1) {
        None => true,
        Some(levels) => node.children().filter(Node::is_element).any(|child| deeper_than(child, levels)),
    }
}

// === impl Section ===

impl<'a> Section<'a> {
    fn of(path: &str, node: Node<'a, 'a>) -> Self {
        let left = node
            .children()
            .filter(Node::is_element)
            .map(|child| {
                let name = child.tag_name().name();
                Element { path: join(path, name), node: child }
            })
            .collect();
        Self { left }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// All elements of that name.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<Element<'a>> {
        self.take_those(|element| element.name() == name)
    }

    /// All elements whose name fits.
    pub(crate) fn take_those(&mut self, mut fits: impl FnMut(&Element<'a>) -> bool) -> Vec<Element<'a>> {
        let (taken, left) = std::mem::take(&mut self.left).into_iter().partition(|element| fits(element));
        self.left = left;
        taken
    }

    /// The element of that name. It can stand there once.
    pub(crate) fn take(&mut self, name: &str, draft: &mut Draft) -> Option<Element<'a>> {
        let mut all = self.take_all(name).into_iter();
        let first = all.next();
        for again in all {
            draft.dropped(&again.path, &again.text(), "stands there twice; the first counts");
        }
        first
    }

    /// The value of the element of that name, which holds nothing else.
    pub(crate) fn value(&mut self, name: &str, draft: &mut Draft) -> Option<Value> {
        let element = self.take(name, draft)?;
        element.has_only(&[], draft);
        Some(element.value())
    }

    /// Says of all that nobody asked for that it is not known.
    pub(crate) fn finish(self, draft: &mut Draft) {
        for element in self.left {
            draft.dropped(&element.path, &element.text(), "not known, and without effect");
        }
    }
}

// === impl Element ===

impl<'a> Element<'a> {
    /// The root element, whose name is in no path.
    pub(crate) fn root(document: &'a Document<'a>) -> Self {
        Self { path: String::new(), node: document.root_element() }
    }

    pub(crate) fn name(&self) -> &'a str {
        self.node.tag_name().name()
    }

    /// Its own text, without what stands in elements within it, and without white space around.
    pub(crate) fn text(&self) -> String {
        let text: String =
            self.node.children().filter_map(|child| child.is_text().then(|| child.text())?).collect();
        text.trim().to_owned()
    }

    pub(crate) fn value(&self) -> Value {
        Value { path: self.path.clone(), text: self.text() }
    }

    /// The value of that name, given as an attribute or as an element within.
    pub(crate) fn inner_value(
        &self,
        name: &str,
        within: &mut Section<'a>,
        draft: &mut Draft,
    ) -> Option<Value> {
        let element = within.value(name, draft);
        match self.node.attribute(name) {
            Some(text) => {
                if let Some(element) = element {
                    draft.dropped(
                        &element.path,
                        &element.text,
                        "stands there as an attribute too, which counts",
                    );
                }
                Some(Value { path: join(&self.path, &format!("@{name}")), text: text.trim().to_owned() })
            }
            None => element,
        }
    }

    pub(crate) fn section(&self) -> Section<'a> {
        Section::of(&self.path, self.node)
    }

    /// Says of elements within, and of other attributes, that they are not known.
    pub(crate) fn has_only(&self, attributes: &[&str], draft: &mut Draft) {
        self.has_only_attributes(attributes, draft);
        self.section().finish(draft);
    }

    /// Says of other attributes that they are not known.
    pub(crate) fn has_only_attributes(&self, attributes: &[&str], draft: &mut Draft) {
        for attribute in self.node.attributes().filter(|attribute| !attributes.contains(&attribute.name())) {
            let path = join(&self.path, &format!("@{}", attribute.name()));
            draft.dropped(&path, attribute.value(), "not known, and without effect");
        }
    }
}
