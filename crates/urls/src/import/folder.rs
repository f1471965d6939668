//! Folders of squidGuard and UT1: one folder for each category, with `domains` and `urls` in it.

use super::Format;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Categories may lie so deep, as `adult/mixed` does.
const MAX_DEPTH: usize = 4;
/// No more folders and files are looked at.
const MAX_SEEN: usize = 20_000;

/// One file of a category.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Category {
    /// The path of its folder below the one that was given, with slashes.
    pub name: String,
    /// What kind of file it is.
    pub format: Format,
    /// Where it is.
    pub path: PathBuf,
}

/// What a folder of categories holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// The files to import, by category.
    pub categories: Vec<Category>,
    /// Lists that are left out: regular expressions, and whatever leads out of the folder.
    pub left_out: Vec<PathBuf>,
}

/// Finds the categories in a folder. Links are followed if they stay in it (UT1 has several names for some
/// categories).
///
/// Fails if a folder cannot be read, or if there are more than any list has.
pub fn categories(root: &Path) -> io::Result<Folder> {
    let root = root.canonicalize()?;
    let mut found = Folder::default();
    let mut folders = vec![(String::new(), root.clone(), 0)];
    let mut seen = 0;
    while let Some((name, folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            seen += 1;
            if seen > MAX_SEEN {
                return Err(io::Error::other("too many files for a folder of categories"));
            }
            let entry = entry?;
            // A name that is no text belongs to no category.
            let Ok(file) = entry.file_name().into_string() else { continue };
            let Some(path) = entry.path().canonicalize().ok().filter(|path| path.starts_with(&root)) else {
                found.left_out.push(entry.path());
                continue;
            };
            if path.is_dir() {
                // A link to where we came from would lead in circles.
                if depth < MAX_DEPTH && !folder.starts_with(&path) {
                    let below = if name.is_empty() { file } else { format!("{name}/{file}") };
                    folders.push((below, path, depth + 1));
                } else {
                    found.left_out.push(entry.path());
                }
                continue;
            }
            let format = match &file[..] {
                // Whoever opened a pipe would wait.
                _ if !path.is_file() => continue,
                "domains" => Format::SquidGuardDomains,
                "urls" => Format::SquidGuardUrls,
                "expressions" => {
                    found.left_out.push(entry.path());
                    continue;
                }
                _ => continue,
            };
            found.categories.push(Category { name: name.clone(), format, path });
        }
    }
    found.categories.sort();
    found.left_out.sort();
    Ok(found)
}
