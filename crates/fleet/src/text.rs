//! Texts for people, of bounded length.

/// The most bytes of a message: events of Kubernetes have room for a thousand.
const MAX_BYTES: usize = 512;

/// The most names in a list.
const MAX_NAMES: usize = 5;

/// As much of it as there is room for.
pub(crate) fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_BYTES)].to_owned()
}

/// The first of these names, and how many more there are.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let listed = names.join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(bounded(&"ä".repeat(600)).len(), MAX_BYTES);
        assert_eq!(bounded(&format!("a{}", "ä".repeat(600))).len(), MAX_BYTES - 1);
    }

    #[test]
    fn lists_of_names_are_sorted_and_short() {
        assert_eq!(names(["b", "a"]), "a, b");
        assert_eq!(names(["g", "f", "e", "d", "c", "b", "a"]), "a, b, c, d, e and 2 more");
    }
}
