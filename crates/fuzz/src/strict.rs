//! Answers, read by a reader that forgives nothing and shares no code with the writer.

use memchr::memmem;

/// One answer that kept all the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) req_hdr: Option<Vec<u8>>,
    pub(crate) res_hdr: Option<Vec<u8>>,
    pub(crate) body: Option<Vec<u8>>,
    /// From where the client's own copy goes on (206).
    pub(crate) original: Option<u64>,
}

/// All that a server sent on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) whole: Vec<Answer>,
    /// The last one breaks off.
    pub(crate) cut: Option<Answer>,
}

enum Fault {
    Cut,
    Wrong(String),
}

type Read<T> = Result<T, Fault>;

/// Reads everything. Panics where a rule is broken.
pub(crate) fn read(wire: &[u8]) -> Answers {
    let mut answers = Answers::default();
    let mut rest = wire;
    while !rest.is_empty() {
        let mut answer = Answer::default();
        match one(&mut rest, &mut answer) {
            Ok(()) => answers.whole.push(answer),
            Err(Fault::Cut) => {
                answers.cut = Some(answer);
                break;
            }
            Err(Fault::Wrong(why)) => panic!("{why} in {:?}", String::from_utf8_lossy(wire)),
        }
    }
    answers
}

fn one(rest: &mut &[u8], answer: &mut Answer) -> Read<()> {
    let head = until(rest, b"\r\n\r\n")?;
    let mut lines = lines(head)?.into_iter();
    answer.status = status(&lines.next().unwrap_or_default())?;
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| wrong("no field", &line))?;
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) || answer.get(name).is_some() {
            return Err(wrong("no field name, or one twice", &line));
        }
        answer.fields.push((name.to_owned(), value.to_owned()));
    }
    if answer.status == 100 {
        return if answer.fields.is_empty() { Ok(()) } else { Err(wrong("fields", "100")) };
    }
    tag(answer.get("ISTag").unwrap_or_default())?;
    let parts = answer.get("Encapsulated").unwrap_or_default().to_owned();
    let (heads, body) = parts.rsplit_once(", ").map_or(("", parts.as_str()), |(heads, body)| (heads, body));
    let (kind, len) = entry(body)?;
    match heads {
        "" if len == 0 => {}
        "req-hdr=0" if len > 0 => answer.req_hdr = Some(http_head(rest, len)?),
        "res-hdr=0" if len > 0 => answer.res_hdr = Some(http_head(rest, len)?),
        _ => return Err(wrong("the parts", &parts)),
    }
    match (kind, &answer.req_hdr, &answer.res_hdr) {
        ("null-body", _, _) => return Ok(()),
        ("req-body", _, None) | ("res-body", None, _) => {}
        _ => return Err(wrong("the parts", &parts)),
    }
    let body = answer.body.insert(Vec::new());
    loop {
        let line = until(rest, b"\r\n")?;
        let text = String::from_utf8_lossy(line);
        if let Some(offset) = text.strip_prefix("0; use-original-body=") {
            answer.original = Some(offset.parse().map_err(|_| wrong("an offset", &text))?);
        }
        if text == "0" || answer.original.is_some() {
            return if take(rest, 2)? == b"\r\n" { Ok(()) } else { Err(wrong("a trailer", &text)) };
        }
        let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && !text.starts_with('0');
        let size = usize::from_str_radix(&text, 16).ok().filter(|_| hex);
        let size = size.ok_or_else(|| wrong("no chunk line", &text))?;
        let here = size.min(rest.len());
        body.extend_from_slice(take(rest, here)?);
        if here < size {
            return Err(Fault::Cut);
        }
        if take(rest, 2)? != b"\r\n" {
            return Err(wrong("no line end after a chunk", &text));
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Read<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(len).ok_or(Fault::Cut)?;
    *rest = behind;
    Ok(taken)
}

fn until<'a>(rest: &mut &'a [u8], end: &[u8]) -> Read<&'a [u8]> {
    let at = memmem::find(rest, end).ok_or(Fault::Cut)?;
    let taken = take(rest, at + end.len())?;
    Ok(&taken[..at])
}

fn lines(head: &[u8]) -> Read<Vec<String>> {
    let text = String::from_utf8_lossy(head);
    let lines: Vec<String> = text.split("\r\n").map(ToOwned::to_owned).collect();
    match lines.iter().find(|line| !line.bytes().all(|b| matches!(b, b' '..=b'~'))) {
        Some(odd) => Err(wrong("other than printable ASCII", odd)),
        None => Ok(lines),
    }
}

fn status(line: &str) -> Read<u16> {
    let code = line.strip_prefix("ICAP/1.0 ").and_then(|rest| rest.split_once(' '));
    let code = code.filter(|(code, phrase)| code.len() == 3 && !phrase.is_empty());
    code.and_then(|(code, _)| code.parse().ok()).ok_or_else(|| wrong("no status line", line))
}

fn tag(value: &str) -> Read<()> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let right =
        (1..=32).contains(&inner.len()) && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if right { Ok(()) } else { Err(wrong("no ISTag", value)) }
}

fn entry(text: &str) -> Read<(&str, usize)> {
    let (name, offset) = text.split_once('=').ok_or_else(|| wrong("no part", text))?;
    let number = offset.parse().ok().filter(|number: &usize| number.to_string() == offset);
    Ok((name, number.ok_or_else(|| wrong("no offset", text))?))
}

fn http_head(rest: &mut &[u8], len: usize) -> Read<Vec<u8>> {
    let head = take(rest, len)?;
    let end = memmem::find(head, b"\r\n\r\n");
    if end.is_some_and(|end| end + 4 == len) {
        Ok(head.to_vec())
    } else {
        Err(wrong("a head that does not end at its offset", &String::from_utf8_lossy(head)))
    }
}

fn wrong(what: &str, text: &str) -> Fault {
    Fault::Wrong(format!("{what}: {text:?}"))
}

impl Answer {
    /// The value of a field, by its name in whatever case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether nothing follows on this connection.
    pub(crate) fn closes(&self) -> bool {
        self.get("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}
