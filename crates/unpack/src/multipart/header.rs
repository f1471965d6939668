//! The header fields of a part, and the parameters of their values.

use super::{Part, TransferEncoding};

/// The value of a field with parameters, `type/subtype; name=value; name="value"`.
pub(super) struct Valued {
    /// Names in lower case, in their order.
    pub(super) parameters: Vec<Parameter>,
}

/// One parameter.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: String,
    /// Written in a way that readers understand differently: an escape, a quote that is not closed,
    /// something behind the closing quote, a comma or white space without quotes.
    pub(super) doubtful: bool,
}

/// What the header fields of a part say, for which the part has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderNotes {
    /// Two values of `Content-Type` that differ.
    pub(super) two_types: bool,
}

/// Fills `part` from its header lines. The first field of a name counts.
pub(super) fn read_fields(headers: &[u8], part: &mut Part) -> HeaderNotes {
    let mut notes = HeaderNotes::default();
    let mut disposition: Option<String> = None;
    let mut encoding: Option<TransferEncoding> = None;
    for field in unfold(headers) {
        let Some((name, value)) = field.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("content-type") {
            match &part.content_type {
                Some(first) => notes.two_types |= first != value,
                None => part.content_type = Some(value.to_owned()),
            }
        } else if name.eq_ignore_ascii_case("content-disposition") {
            disposition.get_or_insert_with(|| value.to_owned());
        } else if name.eq_ignore_ascii_case("content-encoding") {
            if !part.content_encoding.is_empty() {
                part.content_encoding.push_str(", ");
            }
            part.content_encoding.push_str(value);
        } else if name.eq_ignore_ascii_case("content-transfer-encoding") {
            let named = TransferEncoding::from_value(value);
            encoding = match encoding {
                Some(first) if first != named => Some(TransferEncoding::Unknown),
                _ => Some(named),
            };
        }
    }
    part.transfer_encoding = encoding.unwrap_or_default();
    if let Some(disposition) = disposition {
        let valued = Valued::read(&disposition);
        part.name = valued.get("name").map(ToOwned::to_owned);
        part.filename =
            valued.get("filename*").map(extended).or_else(|| valued.get("filename").map(ToOwned::to_owned));
    }
    if part.filename.is_none()
        && let Some(content_type) = &part.content_type
    {
        part.filename = Valued::read(content_type).get("name").map(ToOwned::to_owned);
    }
    notes
}

/// Whether a line could be a header field: a name of visible characters and a colon.
pub(super) fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else {
        return false;
    };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// Header lines with the lines that continue them; bytes that are no UTF-8 are replaced.
fn unfold(headers: &[u8]) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in headers.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(&line),
            _ => fields.push(line.into_owned()),
        }
    }
    fields
}

/// A value without its comments (RFC 2045 section 6.1, RFC 5322 section 3.2.2); `None` if one does not end.
fn without_comments(value: &str) -> Option<String> {
    let mut left = String::with_capacity(value.len());
    let (mut depth, mut characters) = (0usize, value.chars());
    while let Some(character) = characters.next() {
        match character {
            '(' => depth += 1,
            // Whatever it is, it does not end the comment.
            '\\' if depth > 0 => drop(characters.next()),
            ')' if depth > 0 => {
                depth -= 1;
                left.push(' ');
            }
            _ if depth > 0 => {}
            other => left.push(other),
        }
    }
    (depth == 0).then_some(left)
}

/// A value in the form of RFC 8187, `charset'language'percent-encoded`; any other as it stands.
fn extended(value: &str) -> String {
    let Some((_, rest)) = value.split_once('\'') else {
        return value.to_owned();
    };
    let encoded = rest.split_once('\'').map_or(rest, |(_, text)| text).as_bytes();
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, tail @ ..] = rest {
        let code = tail.first_chunk::<2>().filter(|code| {
            // `from_str_radix` takes a sign, too.
            *first == b'%' && code.iter().all(u8::is_ascii_hexdigit)
        });
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

// === impl TransferEncoding ===

impl TransferEncoding {
    fn from_value(value: &str) -> Self {
        let Some(value) = without_comments(value) else { return Self::Unknown };
        let value = value.trim();
        if value.is_empty() {
            return Self::Identity;
        }
        let token = value.split([';', ' ', '\t']).next().unwrap_or_default();
        let is = |name: &str| token.eq_ignore_ascii_case(name);
        if is("7bit") || is("8bit") || is("binary") {
            Self::Identity
        } else if is("base64") {
            Self::Base64
        } else if is("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Unknown
        }
    }
}

// === impl Valued ===

impl Valued {
    pub(super) fn read(text: &str) -> Self {
        let mut rest = text.split_once(';').map_or("", |(_, rest)| rest);
        let mut parameters = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ';']);
            if rest.is_empty() {
                break;
            }
            let name_len = rest.find(['=', ';']).unwrap_or(rest.len());
            let name = rest[..name_len].trim().to_ascii_lowercase();
            let Some(after) = rest[name_len..].strip_prefix('=') else {
                // A name alone.
                rest = &rest[name_len..];
                continue;
            };
            let (value, doubtful, tail) = parameter_value(after.trim_start());
            rest = tail;
            parameters.push(Parameter { name, value, doubtful });
        }
        Self { parameters }
    }

    /// The first parameter of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|parameter| parameter.name == name).map(|found| found.value.as_str())
    }
}

/// A parameter's value, whether it is doubtful, and what follows its semicolon.
fn parameter_value(text: &str) -> (String, bool, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let value = text[..end].trim_end();
        return (value.to_owned(), value.contains([',', ' ', '\t', '"']), &text[end..]);
    };
    let mut value = String::new();
    let mut doubtful = false;
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let rest = &quoted[at + 1..];
                let end = rest.find(';').unwrap_or(rest.len());
                doubtful |= !rest[..end].trim().is_empty();
                return (value, doubtful, &rest[end..]);
            }
            '\\' => {
                // Browsers write Windows paths without escapes, so that only a quote and a
                // backslash are taken for escaped.
                doubtful = true;
                match characters.clone().next() {
                    Some((_, next @ ('"' | '\\'))) => {
                        characters.next();
                        value.push(next);
                    }
                    _ => value.push('\\'),
                }
            }
            other => value.push(other),
        }
    }
    (value, true, "")
}
