//! Where in a text something is wrong, in one line: `rules.yar:3:9: error: unknown identifier`.
//!
//! This stands in for the crate of the same name, which [boreal](https://docs.rs/boreal) reports errors in rules with and
//! which may be had under Apache-2.0 only. That licence does not go with GPL-2.0-only, under which
//! libclamav stands that the worker links. Here is what boreal calls of it, written anew: the types by which
//! errors are described, and their short form. Lines of the text itself are never shown.
//!
//! Refuses to do: colours, several files, quoting of source.

/// What is wrong.
pub mod diagnostic {
    use std::ops::Range;

    /// How bad it is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Severity {
        /// It cannot be used.
        Error,
        /// It can be used, and may not be what was meant.
        Warning,
    }

    /// Something wrong, and where.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Diagnostic<FileId> {
        /// How bad it is.
        pub severity: Severity,
        /// What it is.
        pub message: String,
        /// Where it is.
        pub labels: Vec<Label<FileId>>,
        /// What may help.
        pub notes: Vec<String>,
    }

    /// A place, in bytes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Label<FileId> {
        /// Whether it is the place itself, and not one that has to do with it.
        pub is_primary: bool,
        /// The text that it is in.
        pub file_id: FileId,
        /// From where to where.
        pub range: Range<usize>,
        /// What is there.
        pub message: String,
    }

    // === impl Diagnostic ===

    impl<FileId> Diagnostic<FileId> {
        /// Something that cannot be used.
        pub fn error() -> Self {
            Self::new(Severity::Error)
        }

        /// Something that may not be what was meant.
        pub fn warning() -> Self {
            Self::new(Severity::Warning)
        }

        fn new(severity: Severity) -> Self {
            Self { severity, message: String::new(), labels: Vec::new(), notes: Vec::new() }
        }

        /// With what it is.
        #[must_use]
        #[expect(clippy::needless_pass_by_value, reason = "the signature that callers know")]
        pub fn with_message(mut self, message: impl ToString) -> Self {
            self.message = message.to_string();
            self
        }

        /// With more places.
        #[must_use]
        pub fn with_labels(mut self, mut labels: Vec<Label<FileId>>) -> Self {
            self.labels.append(&mut labels);
            self
        }

        /// With more of what may help.
        #[must_use]
        pub fn with_notes(mut self, mut notes: Vec<String>) -> Self {
            self.notes.append(&mut notes);
            self
        }
    }

    // === impl Label ===

    impl<FileId> Label<FileId> {
        /// The place itself.
        pub fn primary(file_id: FileId, range: impl Into<Range<usize>>) -> Self {
            Self { is_primary: true, file_id, range: range.into(), message: String::new() }
        }

        /// A place that has to do with it.
        pub fn secondary(file_id: FileId, range: impl Into<Range<usize>>) -> Self {
            Self { is_primary: false, file_id, range: range.into(), message: String::new() }
        }

        /// With what is there.
        #[must_use]
        #[expect(clippy::needless_pass_by_value, reason = "the signature that callers know")]
        pub fn with_message(mut self, message: impl ToString) -> Self {
            self.message = message.to_string();
            self
        }
    }
}

/// The text that it is in.
pub mod files {
    /// A text and what it is called.
    #[derive(Clone, Debug)]
    pub struct SimpleFile<Name, Source> {
        name: Name,
        source: Source,
    }

    // === impl SimpleFile ===

    impl<Name: std::fmt::Display, Source: AsRef<str>> SimpleFile<Name, Source> {
        /// A text that is called `name`.
        pub const fn new(name: Name, source: Source) -> Self {
            Self { name, source }
        }

        /// What it is called.
        pub const fn name(&self) -> &Name {
            &self.name
        }

        /// The line and the column of the byte `at`, both from 1 on.
        pub(crate) fn place(&self, at: usize) -> (usize, usize) {
            let text = self.source.as_ref();
            let before = &text.as_bytes()[..at.min(text.len())];
            let line_at = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let line = before.split(|byte| *byte == b'\n').count();
            let column = 1 + String::from_utf8_lossy(&before[line_at..]).chars().count();
            (line, column)
        }
    }
}

/// How it is told.
pub mod term {
    use crate::diagnostic::{Diagnostic, Severity};
    use crate::files::SimpleFile;
    use std::fmt::Display;
    use std::io::{self, Write};

    /// How much is told.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum DisplayStyle {
        /// One line.
        #[default]
        Short,
    }

    /// How it is told.
    #[derive(Clone, Debug, Default)]
    pub struct Config {
        /// How much is told.
        pub display_style: DisplayStyle,
    }

    /// Where it is told.
    pub mod termcolor {
        use std::io;

        /// Bytes in memory, without colours.
        #[derive(Clone, Debug, Default)]
        pub struct Buffer(Vec<u8>);

        // === impl Buffer ===

        impl Buffer {
            /// An empty one.
            pub const fn no_color() -> Self {
                Self(Vec::new())
            }

            /// What was written.
            pub fn as_slice(&self) -> &[u8] {
                &self.0
            }
        }

        impl io::Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    }

    /// Writes one line: the text's name, line and column of the first place, what is wrong, and what is there.
    pub fn emit_to_write_style<FileId, Name: Display, Source: AsRef<str>>(
        writer: &mut termcolor::Buffer,
        _: &Config,
        file: &SimpleFile<Name, Source>,
        diagnostic: &Diagnostic<FileId>,
    ) -> io::Result<()> {
        let label =
            diagnostic.labels.iter().find(|label| label.is_primary).or_else(|| diagnostic.labels.first());
        write!(writer, "{}", file.name())?;
        if let Some(label) = label {
            let (line, column) = file.place(label.range.start);
            write!(writer, ":{line}:{column}")?;
        }
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(writer, ": {severity}: {}", diagnostic.message)
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Diagnostic, Label};
    use crate::files::SimpleFile;
    use crate::term::{Config, emit_to_write_style, termcolor::Buffer};

    fn told(diagnostic: &Diagnostic<()>) -> String {
        let mut buffer = Buffer::no_color();
        let file = SimpleFile::new("a.yar", "rule é {\n  x y\n}");
        emit_to_write_style(&mut buffer, &Config::default(), &file, diagnostic).unwrap();
        String::from_utf8_lossy(buffer.as_slice()).into_owned()
    }

    #[test]
    fn a_fault_is_told_with_its_line_and_column_however_odd_its_place() {
        for (at, place) in [(0, ":1:1"), (5, ":1:6"), (7, ":1:7"), (12, ":2:3"), (999, ":3:2")] {
            let labels =
                vec![Label::secondary((), 3..4), Label::primary((), at..at + 1).with_message("here")];
            let diagnostic = Diagnostic::error().with_message("bad").with_labels(labels);
            assert_eq!(told(&diagnostic), format!("a.yar{place}: error: bad\n"));
        }
        // Within a character.
        let within = Diagnostic::error().with_message("bad").with_labels(vec![Label::primary((), 6..7)]);
        assert!(told(&within).starts_with("a.yar:1:"));
        let nowhere: Diagnostic<()> = Diagnostic::warning().with_message(7).with_notes(vec!["x".to_owned()]);
        assert_eq!(told(&nowhere), "a.yar: warning: 7\n");
    }
}
