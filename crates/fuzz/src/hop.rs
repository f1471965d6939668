//! Fields of one connection, taken out of a head in the plainest way (RFC 3507 section 4.4.2).

const ALWAYS: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "proxy-authenticate", "proxy-authorization"];
const NEVER: [&str; 8] = [
    "upgrade",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "content-range",
    "transfer-encoding",
    "trailer",
];

/// What is to come back of a head that is passed on: all of it, where readers disagree about its lines.
pub(crate) fn stripped(head: &[u8]) -> Vec<u8> {
    let plain = head.iter().enumerate().all(|(at, byte)| match byte {
        b'\r' => head.get(at + 1) == Some(&b'\n'),
        b'\n' => at > 0 && head[at - 1] == b'\r',
        _ => true,
    });
    if !plain {
        return head.to_vec();
    }
    let mut raw: Vec<&[u8]> = head.split_inclusive(|&byte| byte == b'\n').collect();
    let mut kept = raw.remove(0).to_vec();
    let tail = raw.pop().unwrap_or_default();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in raw {
        match lines.last_mut() {
            Some(open) if matches!(line[0], b' ' | b'\t') => open.extend_from_slice(line),
            _ => lines.push(line.to_vec()),
        }
    }
    let values = |wanted: &str| -> Vec<&[u8]> {
        let fields = lines.iter().filter_map(|line| field(line));
        fields
            .filter(|(name, _)| is(name.trim_ascii(), wanted))
            .map(|(_, value)| value.trim_ascii())
            .collect()
    };
    let named: Vec<&[u8]> = values("connection")
        .into_iter()
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .collect();
    let only_chunked = matches!(values("transfer-encoding")[..], [one] if is(one, "chunked"))
        && values("content-length").is_empty();
    for line in &lines {
        let goes = field(line).filter(|field| is_plain(*field)).is_some_and(|(name, _)| {
            let any = |list: &[&str]| list.iter().any(|known| is(name, known));
            if any(&["transfer-encoding", "trailer"]) {
                return only_chunked;
            }
            any(&ALWAYS) || !any(&NEVER) && named.iter().any(|member| member.eq_ignore_ascii_case(name))
        });
        if !goes {
            kept.extend_from_slice(line);
        }
    }
    kept.extend(tail);
    kept
}

/// Whether all readers see the same field: no blank around the name, no fold, no control character.
fn is_plain((name, value): (&[u8], &[u8])) -> bool {
    let value = value.strip_suffix(b"\r\n").unwrap_or(value);
    crate::reference::is_token(name) && value.iter().all(|&b| b == b'\t' || b >= b' ' && b != 0x7f)
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    Some((&line[..colon], &line[colon + 1..]))
}

fn is(name: &[u8], known: &str) -> bool {
    name.eq_ignore_ascii_case(known.as_bytes())
}
