//! Requests, read a second time: all bytes at hand, line by line, in the words of RFC 3507 and
//! RFC 9112, with no thought of speed.

use std::ops::Range;

/// One request, as far as it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) service: String,
    pub(crate) query: String,
    /// All fields of the ICAP head.
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) preview: Option<u64>,
    pub(crate) req_hdr: Vec<u8>,
    pub(crate) res_hdr: Vec<u8>,
    pub(crate) has_body: bool,
    pub(crate) body: Vec<u8>,
    /// Where in the body the preview ended, if more could have followed.
    pub(crate) undecided: Option<usize>,
    /// The whole request was there.
    pub(crate) ended: bool,
}

/// How the reading came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There are no more bytes than those of whole requests.
    Idle,
    /// The bytes end inside of a request.
    Cut,
    /// What follows is no ICAP.
    Wrong,
}

/// Why a request is not whole.
enum Short {
    Cut,
    Wrong,
}

struct Reader<'a> {
    wire: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, Short>;

/// No protocol has longer ones; so they are of none.
const LONGEST_METHOD: usize = 32;

/// Reads all requests. `proceeds` says, at the end of each preview, whether the rest of the body is
/// called for.
pub(crate) fn read(wire: &[u8], mut proceeds: impl FnMut() -> bool) -> (Vec<Request>, End) {
    let mut reader = Reader { wire, at: 0 };
    let mut requests = Vec::new();
    loop {
        while reader.rest().starts_with(b"\r\n") {
            reader.at += 2;
        }
        if matches!(reader.rest(), [] | [b'\r']) {
            return (requests, End::Idle);
        }
        let mut request = Request::default();
        let got = match reader.head(&mut request) {
            Ok(()) => {
                let read = if request.has_body { reader.body(&mut request, &mut proceeds) } else { Ok(()) };
                request.ended = read.is_ok();
                requests.push(request);
                read
            }
            Err(short) => Err(short),
        };
        match got {
            Ok(()) => {}
            Err(Short::Cut) => return (requests, End::Cut),
            Err(Short::Wrong) => return (requests, End::Wrong),
        }
    }
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.wire[self.at..]
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let taken = self.rest().get(..len).ok_or(Short::Cut)?;
        self.at += len;
        Ok(taken)
    }

    /// Up to a line feed, which must stand behind a carriage return.
    fn line(&mut self) -> Read<&'a [u8]> {
        let end = self.rest().iter().position(|&byte| byte == b'\n').ok_or(Short::Cut)?;
        self.take(end + 1)?.strip_suffix(b"\r\n").ok_or(Short::Wrong)
    }

    fn head(&mut self, request: &mut Request) -> Read<()> {
        let end = self.rest().windows(4).position(|window| window == b"\r\n\r\n").ok_or(Short::Cut)?;
        let head = self.take(end + 4)?;
        let mut lines = split(&head[..end], b"\r\n").into_iter();
        right(request_line(lines.next().unwrap_or_default(), request).is_some())?;
        for line in lines {
            request.fields.push(field(line).ok_or(Short::Wrong)?);
        }
        let one = |name: &str| -> Read<Option<&Vec<u8>>> {
            let values: Vec<_> = request.values(name).collect();
            right(values.windows(2).all(|pair| pair[0] == pair[1]))?;
            Ok(values.first().copied())
        };
        one("Host")?;
        let preview = one("Preview")?.map(|value| number(value).ok_or(Short::Wrong)).transpose()?;
        let (mut req, mut res, mut has_body) = (None, None, false);
        match one("Encapsulated")? {
            Some(value) => {
                let parts = encapsulated(value, &request.method).ok_or(Short::Wrong)?;
                (req, res, has_body) = parts;
            }
            None => right(!matches!(request.method.as_str(), "REQMOD" | "RESPMOD"))?,
        }
        (request.preview, request.has_body) = (preview, has_body);
        let heads = req.iter().chain(&res).map(|range: &Range<usize>| range.end).max().unwrap_or(0);
        let heads = self.take(heads)?;
        if let Some(range) = req {
            request.req_hdr = heads[range].to_vec();
            right(is_request(&request.req_hdr) && ends(&request.req_hdr))?;
        }
        if let Some(range) = res {
            request.res_hdr = heads[range].to_vec();
            right(is_response(&request.res_hdr) && ends(&request.res_hdr))?;
        }
        Ok(())
    }

    fn body(&mut self, request: &mut Request, proceeds: &mut impl FnMut() -> bool) -> Read<()> {
        let mut previewing = request.preview.is_some();
        loop {
            let (size, ieof) = chunk_line(self.line()?).ok_or(Short::Wrong)?;
            right(!ieof || size == 0)?;
            if size == 0 {
                while let line @ [_, ..] = self.line()? {
                    right(field(line).is_some())?;
                }
                // Whether the preview is the whole body may be asked once all of it is here.
                right(!ieof || previewing)?;
                if !previewing || ieof {
                    return Ok(());
                }
                request.undecided = Some(request.body.len());
                if !proceeds() {
                    return Ok(());
                }
                previewing = false;
                continue;
            }
            let here = self.rest().len() as u64;
            let len = usize::try_from(size.min(here)).unwrap_or(0);
            request.body.extend_from_slice(self.take(len)?);
            if len as u64 != size {
                return Err(Short::Cut);
            }
            for expected in *b"\r\n" {
                right(self.take(1)? == [expected])?;
            }
        }
    }
}

impl Request {
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Vec<u8>> {
        let named = move |(known, _): &&(Vec<u8>, Vec<u8>)| known.eq_ignore_ascii_case(name.as_bytes());
        let values: Vec<_> = self.fields.iter().filter(named).map(|(_, value)| value).collect();
        values.into_iter()
    }
}

fn right(is: bool) -> Read<()> {
    if is { Ok(()) } else { Err(Short::Wrong) }
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(by.len()).position(|window| window == by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}

pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let odd = b"!#$%&'*+-.^_`|~";
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || odd.contains(byte))
}

fn number(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all)?;
    Some(text.parse().unwrap_or(u64::MAX))
}

fn request_line(line: &[u8], request: &mut Request) -> Option<()> {
    let [method, uri, b"ICAP/1.0"] = split(line, b" ")[..] else { return None };
    let uri = std::str::from_utf8(uri).ok().filter(|uri| uri.bytes().all(|b| b.is_ascii_graphic()))?;
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    if !is_token(method)
        || method.len() > LONGEST_METHOD
        || authority == 0
        || !["icap", "icaps"].contains(&scheme.as_str())
    {
        return None;
    }
    let (path, query) = rest[authority..].split_once('?').unwrap_or_else(|| (&rest[authority..], ""));
    request.method = String::from_utf8_lossy(method).into_owned();
    (request.service, request.query) = (path.trim_matches('/').to_owned(), query.to_owned());
    Some(())
}

fn field(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let printable = value.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
    (is_token(name) && printable).then(|| (name.to_vec(), value.trim_ascii().to_vec()))
}

type Parts = (Option<Range<usize>>, Option<Range<usize>>, bool);

fn encapsulated(value: &[u8], method: &str) -> Option<Parts> {
    let text = std::str::from_utf8(value).ok()?.to_ascii_lowercase();
    let mut entries = Vec::new();
    for entry in text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()) {
        let (name, offset) = entry.split_once('=')?;
        let offset = number(offset.as_bytes()).filter(|_| offset.len() <= 9)?;
        entries.push((name.to_owned(), usize::try_from(offset).ok()?));
    }
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    let offsets: Vec<usize> = entries.iter().map(|(_, offset)| *offset).collect();
    if offsets.first() != Some(&0) || !offsets.windows(2).all(|pair| pair[0] < pair[1]) {
        return None;
    }
    let (body, heads) = names.split_last()?;
    let right = match method {
        "REQMOD" => matches!(heads, [] | ["req-hdr"]) && matches!(*body, "null-body" | "req-body"),
        "RESPMOD" => is_heads(heads) && matches!(*body, "null-body" | "res-body"),
        "OPTIONS" => heads.is_empty() && matches!(*body, "null-body" | "opt-body"),
        _ => is_heads(heads) && matches!(*body, "null-body" | "req-body" | "res-body" | "opt-body"),
    };
    let range = |name: &str| {
        let index = heads.iter().position(|known| *known == name)?;
        Some(offsets[index]..offsets[index + 1])
    };
    right.then(|| (range("req-hdr"), range("res-hdr"), *body != "null-body"))
}

fn is_heads(names: &[&str]) -> bool {
    matches!(names, [] | ["req-hdr" | "res-hdr"] | ["req-hdr", "res-hdr"])
}

fn first_line(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_version(word: &[u8]) -> bool {
    matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn is_request(head: &[u8]) -> bool {
    let words = split(first_line(head), b" ");
    let target: usize = words.iter().skip(1).rev().skip(1).map(|word| word.len() + 1).sum();
    words.len() >= 3 && is_token(words[0]) && target > 1 && words.last().is_some_and(|word| is_version(word))
}

fn is_response(head: &[u8]) -> bool {
    let line = first_line(head);
    let (Some(version), Some(rest)) = (line.get(..8), line.get(8..)) else { return false };
    is_version(version)
        && matches!(rest, [b' ', a, b, c] | [b' ', a, b, c, b' ', ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()))
}

fn ends(head: &[u8]) -> bool {
    head.windows(4).position(|window| window == b"\r\n\r\n").is_some_and(|at| at + 4 == head.len())
}

/// The size, and whether `ieof` stands behind it (RFC 9112 section 7.1, RFC 3507 section 4.5).
fn chunk_line(line: &[u8]) -> Option<(u64, bool)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > 16 {
        return None;
    }
    let size = u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
    let mut rest = blank(&line[digits..]);
    let mut ieof = false;
    while !rest.is_empty() {
        let (name, behind) = token(blank(rest.strip_prefix(b";")?))?;
        rest = blank(behind);
        let Some(value) = rest.strip_prefix(b"=") else {
            ieof |= name.eq_ignore_ascii_case(b"ieof");
            continue;
        };
        let value = blank(value);
        rest = blank(match value.strip_prefix(b"\"") {
            Some(text) => quoted(text)?,
            None => token(value)?.1,
        });
    }
    Some((size, ieof))
}

fn blank(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[len..]
}

fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = bytes.iter().take_while(|&&byte| is_token(&[byte])).count();
    (len > 0).then(|| bytes.split_at(len))
}

/// What follows the closing quote (RFC 9110 section 5.6.4).
fn quoted(mut text: &[u8]) -> Option<&[u8]> {
    let is_text = |byte: u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] if is_text(*byte) => rest,
            [byte, rest @ ..] if *byte != b'\\' && is_text(*byte) => rest,
            _ => return None,
        };
    }
}
