//! The bytes of patterns: random, or like what is scanned.

use super::rng::Rng;

/// Common English words.
#[rustfmt::skip] // One a line would be all of this file.
pub(super) const WORDS: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "always", "and", "another", "any", "are", "around", "as",
    "at", "away", "be", "because", "been", "before", "being", "between", "both", "but", "by", "came", "can",
    "come", "could", "day", "did", "different", "do", "does", "down", "each", "end", "even", "every",
    "find", "first", "for", "from", "get", "give", "go", "good", "great", "had", "has", "have", "he",
    "help", "her", "here", "him", "his", "home", "house", "how", "if", "in", "into", "is", "it", "its",
    "just", "know", "large", "last", "left", "like", "line", "little", "live", "long", "look", "made",
    "make", "man", "many", "may", "me", "men", "might", "more", "most", "much", "must", "my", "name",
    "never", "new", "next", "no", "not", "now", "number", "of", "off", "old", "on", "one", "only", "or",
    "other", "our", "out", "over", "own", "part", "people", "place", "right", "said", "same", "say", "see",
    "set", "she", "should", "show", "small", "so", "some", "sound", "still", "such", "take", "tell", "than",
    "that", "the", "their", "them", "then", "there", "these", "they", "thing", "think", "this", "those",
    "thought", "three", "through", "time", "to", "together", "too", "two", "under", "until", "up", "upon",
    "us", "use", "very", "want", "was", "water", "way", "we", "well", "went", "were", "what", "when",
    "where", "which", "while", "who", "why", "will", "with", "word", "work", "world", "would", "write",
    "year", "you", "your",
];

/// Pieces of scripts and pages, those that malware likes among them.
#[rustfmt::skip]
const SCRIPT: &[&str] = &[
    "var ", "let ", "function(", "){return ", "document.", "window.", "location=", "eval(", "unescape('",
    "String.fromCharCode(", "createElement('script')", "appendChild(", "innerHTML=", "setTimeout(", "try{",
    "}catch(e){}", "new ActiveXObject('", "WScript.Shell", "cmd /c ", "powershell -nop -enc ", "Invoke-",
    "DownloadString('http://", ".php?id=", "base64_decode(", "<script>", "</script>", "<iframe src=",
    " width=1 height=1>", "<div class=\"", "</div>", "<a href=\"", "Sub AutoOpen()", "Dim s As String",
    "Chr$(", "Shell s", "End Sub", "0x41,0x42,", "for(i=0;i<n;i++)", "+=", "^=", ";",
];

/// Pieces of x86 code: prologues, calls, moves, jumps.
#[rustfmt::skip]
const CODE: &[&[u8]] = &[
    b"\x55\x8b\xec", b"\x55\x48\x89\xe5", b"\x83\xec", b"\x48\x83\xec", b"\x53\x56\x57", b"\xe8",
    b"\xff\x15", b"\xff\x75", b"\x68", b"\x6a\x00", b"\x50", b"\x51", b"\x8b\x45", b"\x8b\x4d", b"\x8d\x45",
    b"\x89\x45", b"\x89\x44\x24", b"\xc7\x45", b"\x33\xc0", b"\x31\xd2", b"\x85\xc0", b"\x3b\xc1", b"\x74",
    b"\x75", b"\x0f\x84", b"\x0f\x85", b"\xeb", b"\x0f\xb6", b"\x5f\x5e\x5b", b"\xc9\xc3", b"\x5d\xc2",
    b"\xcc\xcc",
];

/// No text and no script has these.
const RARE: &[u8] = &[0x01, 0x02, 0x06, 0x0e, 0x11, 0x1c, 0x9d, 0xd7];

/// Between `low` and `high` bytes; `low` is at least 4.
pub(super) fn pattern(rng: &mut Rng, low: u32, high: u32) -> Vec<u8> {
    let len = rng.between(low, high) as usize;
    if rng.percent(50) {
        let mut bytes = vec![0; len];
        rng.fill(&mut bytes);
        return bytes;
    }
    let source: Vec<u8> = match rng.between(0, 4) {
        0 => like(len, || [rng.choose(WORDS).as_bytes(), b" "].concat()),
        1 => like(len, || rng.choose(SCRIPT).as_bytes().to_vec()),
        _ => like(len, || {
            let mut piece = rng.choose(CODE).to_vec();
            let operands = rng.between(0, 4) as usize;
            piece.extend_from_slice(&rng.bytes::<4>()[..operands]);
            piece
        }),
    };
    let from = rng.index(source.len() - len + 1);
    let mut bytes = source[from..from + len].to_vec();
    // A slice of common words would find clean text; the engine's filters read the first bytes,
    // which therefore stay.
    for _ in 0..2 {
        let at = 2 + rng.index(len - 2);
        bytes[at] = rng.choose(RARE);
    }
    bytes
}

/// The pattern in ClamAV's notation, a quarter of them with a wildcard in their middle.
pub(super) fn with_wildcards(rng: &mut Rng, bytes: &[u8], line: &mut Vec<u8>) {
    if !rng.percent(25) {
        return hex(bytes, line);
    }
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    hex(head, line);
    match rng.between(0, 2) {
        0 => line.extend_from_slice(b"????"),
        1 => {
            let least = rng.between(0, 8);
            let most = least + rng.between(1, 24);
            line.extend_from_slice(format!("{{{least}-{most}}}").as_bytes());
        }
        _ => line.push(b'*'),
    }
    hex(tail, line);
}

/// Appends the bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8], line: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        line.push(DIGITS[usize::from(byte >> 4)]);
        line.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Pieces in a row, about twice as long as what is cut out of them.
fn like(len: usize, mut piece: impl FnMut() -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len * 3);
    while bytes.len() < len * 2 {
        bytes.extend_from_slice(&piece());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_their_length_and_nothing_that_clean_text_has() {
        let mut rng = Rng::new(1, "test");
        for _ in 0..10_000 {
            let bytes = pattern(&mut rng, 8, 24);
            assert!((8..=24).contains(&bytes.len()));
            let text = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
            assert!(!text || bytes.len() < 12, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_quarter_has_wildcards_and_both_halves_stay_whole() {
        let mut rng = Rng::new(1, "test");
        let bytes: Vec<u8> = (0..12).collect();
        let mut with = 0;
        for _ in 0..4_000 {
            let mut line = Vec::new();
            with_wildcards(&mut rng, &bytes, &mut line);
            let text = String::from_utf8(line).unwrap();
            assert!(text.starts_with("000102030405") && text.ends_with("060708090a0b"), "{text}");
            with += usize::from(text.len() > 24);
        }
        assert!((900..1_100).contains(&with), "{with}");
    }
}
