//! ICAP responses, read by a parser that forgives nothing.
//!
//! What it checks, of RFC 3507 and of what clients in the field need: the status line, the form of each
//! field, no field twice, `ISTag` and its form in every final response, `Encapsulated` against the
//! bytes, heads that end where it says, chunks in lower-case hex without extensions, nothing in
//! between.

use std::fmt::Write;

/// What was asked, which decides the forms that an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `OPTIONS`
    Options,
    /// `REQMOD`
    Reqmod,
    /// `RESPMOD`
    Respmod,
}

/// One field of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As written.
    pub name: String,
    /// Without surrounding white space; bytes beyond ASCII are shown as they can be.
    pub value: String,
}

/// A head: first line and fields, as bytes and taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// With its empty line.
    pub bytes: Vec<u8>,
    /// The first line.
    pub first_line: String,
    /// In the order of the wire.
    pub fields: Vec<Field>,
}

/// The encapsulated body of a response.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IcapBody {
    /// Without its framing.
    pub data: Vec<u8>,
    /// The sizes of the chunks.
    pub chunks: Vec<usize>,
    /// The offset that `use-original-body` named (ICAP 206).
    pub use_original_body: Option<u64>,
}

/// A response that kept all the rules.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IcapResponse {
    /// The ICAP status.
    pub status: u16,
    /// The ICAP head.
    pub head: Head,
    /// What `Encapsulated` says.
    pub encapsulated: Vec<(String, usize)>,
    /// The encapsulated HTTP request head.
    pub request_head: Option<Head>,
    /// The encapsulated HTTP response head.
    pub response_head: Option<Head>,
    /// The encapsulated body.
    pub body: Option<IcapBody>,
    /// The fields behind it (draft-rousskov-icap-trailers-01).
    pub trailer: Option<Head>,
}

/// A source of bytes that blocks.
pub(crate) trait Source {
    type Error: From<String>;

    /// Up to and including `\r\n\r\n`; of at most `limit` bytes.
    fn head(&mut self, limit: usize) -> Result<Vec<u8>, Self::Error>;

    /// Up to and including `\r\n`, of at most `limit` bytes.
    fn line(&mut self, limit: usize) -> Result<Vec<u8>, Self::Error>;

    /// So many bytes.
    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Self::Error>;
}

/// No head of ours is longer than what Squid's buffer and c-icap-client take.
const MAX_ICAP_HEAD: usize = 8192;

/// A chunk beyond this makes a client wait for memory, not for data.
const MAX_CHUNK: usize = 128 * 1024;

// === impl Head ===

impl Head {
    /// Takes a head apart leniently; strictness is for the caller.
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| Field {
                name: name.to_owned(),
                value: value.trim_matches([' ', '\t']).to_owned(),
            })
            .collect();
        Self { bytes: bytes.to_vec(), first_line, fields }
    }

    /// The value of the first field of this name, in whatever case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_str())
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a comma-separated field names `token`.
    pub fn names(&self, field: &str, token: &str) -> bool {
        self.get(field)
            .is_some_and(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
    }
}

// === impl IcapResponse ===

impl IcapResponse {
    /// The value of an ICAP header field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// Without the quotes.
    pub fn istag(&self) -> &str {
        self.get("ISTag").unwrap_or_default().trim_matches('"')
    }

    /// Whether the server will close the connection.
    pub fn closes(&self) -> bool {
        self.head.names("Connection", "close")
    }

    /// The body's bytes; none when there is no body.
    pub fn body_data(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], |body| &body.data)
    }

    /// Head and body as a text, for messages.
    pub fn shown(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.head.bytes).into_owned();
        for head in [&self.request_head, &self.response_head].into_iter().flatten() {
            text.push_str(&String::from_utf8_lossy(&head.bytes));
        }
        let data = self.body_data();
        let _ = write!(
            text,
            "[{} bytes of body] {}",
            data.len(),
            String::from_utf8_lossy(&data[..data.len().min(400)])
        );
        text
    }

    pub(crate) fn read<S: Source>(source: &mut S, kind: Kind) -> Result<Self, S::Error> {
        let bytes = source.head(MAX_ICAP_HEAD)?;
        let head = strict_head(&bytes)?;
        let status = status_of(&head)?;
        check_fields(status, &head)?;
        let encapsulated = encapsulated_of(&head)?;
        let mut response = Self { status, head, encapsulated, ..Self::default() };
        response.check_form(kind)?;
        let mut entries = response.encapsulated.clone().into_iter().peekable();
        while let Some((name, offset)) = entries.next() {
            let Some((_, end)) = entries.peek() else {
                if name.ends_with("-body") && name != "null-body" {
                    response.body = Some(read_body(source, status)?);
                    response.trailer = read_trailer(source, &response.head)?;
                }
                break;
            };
            let part = encapsulated_head(&source.exactly(end - offset)?)?;
            match name.as_str() {
                "req-hdr" => response.request_head = Some(part),
                _ => response.response_head = Some(part),
            }
        }
        Ok(response)
    }

    /// RFC 3507 section 4.4.1: which parts an answer of this kind and status may have.
    fn check_form(&self, kind: Kind) -> Result<(), String> {
        let names: Vec<_> = self.encapsulated.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.as_slice();
        let right = match (self.status, kind) {
            (100, _) => names.is_empty(),
            (200, Kind::Options) | (204, _) => names == ["null-body"],
            (200 | 206, Kind::Respmod) => {
                matches!(names, ["res-hdr", "res-body" | "null-body"] | ["res-body"])
            }
            (200 | 206, Kind::Reqmod) => {
                matches!(
                    names,
                    ["req-hdr", "req-body" | "null-body"]
                        | ["res-hdr", "res-body" | "null-body"]
                        | ["req-body"]
                )
            }
            (400..=599, _) => matches!(names, [] | ["null-body"]),
            _ => return Err(format!("status {} has no place here", self.status)),
        };
        if !right {
            return Err(format!("an answer {} to {kind:?} with the parts {names:?}", self.status));
        }
        if let [(_, last)] = self.encapsulated.as_slice()
            && *last != 0
        {
            return Err("the only part is not at 0".to_owned());
        }
        Ok(())
    }
}

/// What a head announces stands behind the body, and nothing else.
fn read_trailer<S: Source>(source: &mut S, head: &Head) -> Result<Option<Head>, S::Error> {
    let Some(announced) = head.get("Trailer") else { return Ok(None) };
    if !head.names("Allow", "trailers") {
        return Err("a trailer is announced, but not that there are any".to_owned().into());
    }
    let mut bytes = b"trailer\r\n".to_vec();
    loop {
        let line = source.line(MAX_ICAP_HEAD)?;
        bytes.extend_from_slice(&line);
        if line == b"\r\n" {
            break;
        }
    }
    let trailer = strict_head(&bytes)?;
    let names: Vec<_> = trailer.fields.iter().map(|field| field.name.as_str()).collect();
    if names.join(", ") != announced {
        return Err(format!("the trailer has {names:?}, announced was {announced}").into());
    }
    Ok(Some(trailer))
}

fn strict_head(bytes: &[u8]) -> Result<Head, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the ICAP head is no UTF-8".to_owned())?;
    if !text.bytes().all(|b| matches!(b, b'\r' | b'\n' | b' '..=b'~')) {
        return Err(format!("the ICAP head has bytes other than printable ASCII: {text:?}"));
    }
    let lines = text.strip_suffix("\r\n\r\n").ok_or("the ICAP head has no end")?.split("\r\n");
    for line in lines.clone() {
        if line.contains(['\r', '\n']) {
            return Err(format!("a bare CR or LF in {line:?}"));
        }
    }
    let mut seen = Vec::new();
    for line in lines.skip(1) {
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("no field: {line:?}"))?;
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("no field name: {name:?}"));
        }
        if value.is_empty() || value.trim() != value {
            return Err(format!("white space around, or no value: {line:?}"));
        }
        let lower = name.to_ascii_lowercase();
        if seen.contains(&lower) {
            return Err(format!("{name} twice"));
        }
        seen.push(lower);
    }
    Ok(Head::of(bytes))
}

fn status_of(head: &Head) -> Result<u16, String> {
    let wrong = || format!("no status line: {:?}", head.first_line);
    let (code, reason) =
        head.first_line.strip_prefix("ICAP/1.0 ").and_then(|rest| rest.split_once(' ')).ok_or_else(wrong)?;
    let digits = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
    if !digits || reason.is_empty() {
        return Err(wrong());
    }
    code.parse().map_err(|_| wrong())
}

fn check_fields(status: u16, head: &Head) -> Result<(), String> {
    for forbidden in ["Transfer-Encoding", "Content-Length", "Content-Type", "Opt-body-type"] {
        if head.has(forbidden) {
            return Err(format!("{forbidden} in the ICAP head"));
        }
    }
    let tag = match head.get("ISTag") {
        None if status == 100 => return Ok(()),
        None => return Err(format!("no ISTag in\n{}", String::from_utf8_lossy(&head.bytes))),
        Some(tag) => tag,
    };
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let good =
        (1..=32).contains(&inner.len()) && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if good { Ok(()) } else { Err(format!("ISTag is {tag}")) }
}

fn encapsulated_of(head: &Head) -> Result<Vec<(String, usize)>, String> {
    let Some(value) = head.get("Encapsulated") else { return Ok(Vec::new()) };
    let wrong = || format!("Encapsulated is {value:?}");
    let mut entries: Vec<(String, usize)> = Vec::new();
    for item in value.split(", ") {
        let (name, offset) = item.split_once('=').ok_or_else(wrong)?;
        let known = ["req-hdr", "res-hdr", "req-body", "res-body", "opt-body", "null-body"].contains(&name);
        let canonical = offset.parse::<usize>().ok().filter(|number| number.to_string() == offset);
        let (true, Some(offset)) = (known, canonical) else { return Err(wrong()) };
        match entries.last() {
            None if offset != 0 => return Err(wrong()),
            Some((_, before)) if *before >= offset => return Err(wrong()),
            _ => entries.push((name.to_owned(), offset)),
        }
    }
    Ok(entries)
}

fn encapsulated_head(bytes: &[u8]) -> Result<Head, String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    if end.is_none_or(|end| end + 4 != bytes.len()) {
        return Err(format!(
            "an encapsulated head does not end at its offset: {:?}",
            String::from_utf8_lossy(bytes)
        ));
    }
    Ok(Head::of(bytes))
}

fn read_body<S: Source>(source: &mut S, status: u16) -> Result<IcapBody, S::Error> {
    let mut body = IcapBody::default();
    loop {
        let line = source.line(256)?;
        let line = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        let wrong = || format!("no chunk line: {line:?}");
        if let Some(rest) = line.strip_prefix("0; use-original-body=") {
            if status != 206 {
                return Err(wrong().into());
            }
            body.use_original_body = Some(rest.parse().map_err(|_| wrong())?);
        }
        let last = line == "0" || body.use_original_body.is_some();
        if last {
            return match source.exactly(2)?.as_slice() {
                b"\r\n" => Ok(body),
                other => Err(format!("{other:?} after the last chunk").into()),
            };
        }
        let hex = line.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex || line.is_empty() || line.starts_with('0') {
            return Err(wrong().into());
        }
        let size = usize::from_str_radix(&line, 16).map_err(|_| wrong())?;
        if size > MAX_CHUNK {
            return Err(format!("a chunk of {size} bytes").into());
        }
        let mut chunk = source.exactly(size + 2)?;
        if !chunk.ends_with(b"\r\n") {
            return Err("no CRLF after a chunk".to_owned().into());
        }
        chunk.truncate(size);
        body.chunks.push(size);
        body.data.append(&mut chunk);
    }
}

#[cfg(test)]
mod tests;
