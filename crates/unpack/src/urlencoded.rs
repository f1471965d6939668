//! Forms as browsers send them by default: `application/x-www-form-urlencoded` (WHATWG URL
//! Standard, section 5.1).

/// The names and values of a form, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Urlencoded {
    /// In order, empty ones left out.
    pub texts: Vec<Vec<u8>>,
    /// There are more than the limit; the rest is left out.
    pub truncated: bool,
}

// === impl Urlencoded ===

impl Urlencoded {
    /// Whether a `Content-Type` names this form.
    pub fn is_urlencoded(content_type: &str) -> bool {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    /// Decodes up to `max` names and values. Each body can be read: a `%` that begins no byte stands
    /// for itself.
    pub fn parse(body: &[u8], max: usize) -> Self {
        let mut form = Self::default();
        for pair in body.split(|&b| b == b'&') {
            for text in pair.splitn(2, |&b| b == b'=').filter(|text| !text.is_empty()) {
                if form.texts.len() == max {
                    form.truncated = true;
                    return form;
                }
                form.texts.push(decode(text));
            }
        }
        form
    }
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        decoded.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    decoded
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(body: &str) -> Vec<String> {
        let form = Urlencoded::parse(body.as_bytes(), 100);
        form.texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    #[test]
    fn names_and_values_are_decoded() {
        assert_eq!(texts("a=b&field=%3Cscript%3e+x&c"), ["a", "b", "field", "<script> x", "c"]);
        assert_eq!(texts("a=b=c&&=d&%zz=%4"), ["a", "b=c", "d", "%zz", "%4"]);
        assert_eq!(texts(""), Vec::<String>::new());
    }

    #[test]
    fn more_than_the_limit_is_told() {
        let form = Urlencoded::parse(b"a=b&c=d", 3);
        assert_eq!((form.texts.len(), form.truncated), (3, true));
        assert!(!Urlencoded::parse(b"a=b&c=d", 4).truncated);
    }

    #[test]
    fn only_its_own_type_is_taken() {
        assert!(Urlencoded::is_urlencoded("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(!Urlencoded::is_urlencoded("multipart/form-data") && !Urlencoded::is_urlencoded(""));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(value in proptest::collection::vec(any::<u8>(), 1..200)) {
            let mut body = b"name=".to_vec();
            for byte in &value {
                body.extend_from_slice(format!("%{byte:02x}").as_bytes());
            }
            prop_assert_eq!(Urlencoded::parse(&body, 9).texts, vec![b"name".to_vec(), value]);
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), max in 0usize..9) {
            prop_assert!(Urlencoded::parse(&body, max).texts.len() <= max);
        }
    }
}
