//! Names of files.

/// Endings of what libclamav and the YARA engine read; of a folder nothing else is taken.
const DATABASES: [&str; 39] = [
    "db", "hdb", "hdu", "fp", "mdb", "mdu", "hsb", "hsu", "sfp", "msb", "msu", "ndb", "ndu", "ldb", "ldu",
    "sdb", "zmd", "rmd", "pdb", "gdb", "wdb", "cbc", "ftm", "cfg", "cvd", "cld", "cud", "cdb", "cat", "crb",
    "idb", "ioc", "pwdb", "ign", "ign2", "imp", "info", "yar", "yara",
];

/// Whether it stays in its folder, and is not hidden: letters, digits, dots, dashes and underscores, up to 128.
pub fn is_file_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_plain)
}

/// Whether a file of a folder is a database or has rules.
pub(crate) fn is_database(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| DATABASES.iter().any(|database| ending.eq_ignore_ascii_case(database)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for name in ["main.cvd", "a", "A_b-c.1", &"x".repeat(128)] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", ".a", "..", "a/b", "a b", "é", "a\0", &"x".repeat(129)] {
            assert!(!is_file_name(name), "{name}");
        }
        assert!(is_database("daily.CVD") && is_database("a.b.yar"));
        assert!(!is_database("README") && !is_database("freshclam.dat") && !is_database("daily.cvd.sig"));
    }
}
