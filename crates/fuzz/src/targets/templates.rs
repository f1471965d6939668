//! Pages that an operator wrote, about what anybody sent.

use crate::input::Input;
use html5gum::{DefaultEmitter, Token, Tokenizer};
use icapstan_api::TemplateSettings;
use icapstan_model::{ThreatName, Verdict};
use icapstan_policy::{BlockPage, PageContext, TemplateId, Templates, Wishes};
use std::fs;
use std::path::Path;

/// Loads a page and shows it: its format, the texts that it is about, each ended by NUL, and the page.
///
/// - A page is refused with a short message of lines that no terminal minds, or can be shown.
/// - It is the operator's text, with for each variable the same text as in every other page.
/// - Such a text holds nothing that the format minds, is bounded, and shows no character that deceives.
/// - A reader of the format sees the same page whatever the texts are: of HTML the same tags with the same
///   attributes, of JSON the same values, and texts only where text may stand.
pub fn templates(data: &[u8]) {
    let mut input = Input::new(data);
    let format = input.pick(&FORMATS);
    let threat = ThreatName::new(input.text());
    let texts: [String; 7] = std::array::from_fn(|_| String::from_utf8_lossy(input.text()).into_owned());
    let page = input.rest();
    let Some(templates) = load(format, page) else { return };
    if String::from_utf8_lossy(page).contains(MARK) {
        return;
    }
    let marks: Vec<String> = (0..8).map(|number| format!("{MARK}{number}")).collect();
    let marked: [&str; 7] = std::array::from_fn(|index| marks[index].as_str());
    let texts: [&str; 7] = std::array::from_fn(|index| texts[index].as_str());
    let shown = |template, threat: &str, texts| show(&templates, template, format, threat, texts);
    let plain = shown(TemplateId::Detected, &marks[7], marked);
    let hostile = shown(TemplateId::Detected, threat.as_str(), texts);
    // Another page, with nothing but the variables, each in a line.
    let alone = shown(TemplateId::Refused, threat.as_str(), texts);
    let values: Vec<&str> = alone.lines().map(|line| format.value(line)).collect();
    assert_eq!(values.len(), 8);
    for value in &values {
        format.check(value);
    }
    assert_eq!(hostile, filled(&plain, |number| values[number].to_owned()));
    match format {
        Format::Html => html(&plain, &hostile, &values),
        Format::Json => json(&plain, &hostile, &values),
        Format::Text => {}
    }
}

/// Begins what stands for a text that is told apart by the digit behind it.
const MARK: &str = "Qzx";

const NAMES: [&str; 8] = ["url", "client", "user", "transaction", "time", "service", "rule", "threat"];

const FORMATS: [Format; 3] = [Format::Html, Format::Text, Format::Json];

/// Attributes that hold text and nothing else.
const OF_TEXT: [&str; 6] = ["alt", "datetime", "label", "placeholder", "title", "value"];

/// What may stand in a page of HTML behind `&`.
const ENTITIES: [&str; 5] = ["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Text,
    Json,
}

fn load(format: Format, page: &[u8]) -> Option<Templates> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder can be made");
    let put = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(format!("{name}.{}", format.extension())), bytes)
            .expect("there is room");
    };
    put("detected", page);
    put("refused", format.variables().as_bytes());
    let settings = TemplateSettings { folder: Some(folder.path().to_owned()), ..TemplateSettings::default() };
    match Templates::load(&settings, &[]) {
        Ok(templates) => Some(templates),
        Err(error) => {
            let message = error.to_string();
            assert!(message.chars().count() < 2000, "{message}");
            assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
            assert!(message.contains("detected"), "{message}");
            None
        }
    }
}

fn show(
    templates: &Templates,
    template: TemplateId,
    format: Format,
    threat: &str,
    texts: [&str; 7],
) -> String {
    let [url, client, user, transaction, time, service, rule] = texts;
    let verdict = Verdict::Infected(ThreatName::from(threat));
    let context =
        PageContext { verdict: &verdict, url, client, user, transaction, trace: transaction, time, service };
    let wishes = Wishes::new([format.media_type().as_bytes()], []);
    let page = templates.page(template, &wishes, &context, rule);
    assert!(page.body.len() <= BlockPage::MAX_CUSTOM_BODY);
    let head = String::from_utf8(page.head).expect("ASCII");
    assert!(head.contains(&format!("\r\nContent-Type: {}", format.media_type())), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", page.body.len())), "{head}");
    String::from_utf8(page.body).expect("a page is UTF-8")
}

/// A text with each mark replaced.
fn filled(text: &str, value: impl Fn(usize) -> String) -> String {
    let mut pieces = text.split(MARK);
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let number = piece.bytes().next().expect("a digit follows");
        filled.push_str(&value(usize::from(number - b'0')));
        filled.push_str(&piece[1..]);
    }
    filled
}

/// What a reader of HTML sees.
fn html(plain: &str, hostile: &str, values: &[&str]) {
    let decoded = |number: usize| {
        let pairs = ["<", ">", "&", "\"", "'"].into_iter().zip(["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"]);
        // `&amp;` last, so that nothing is decoded twice.
        let order = [0, 1, 3, 4, 2];
        let pairs: Vec<_> = pairs.collect();
        order.iter().fold(values[number].to_owned(), |text, &nth| text.replace(pairs[nth].1, pairs[nth].0))
    };
    let expected = tokens(plain).into_iter().map(|token| put(token, &decoded));
    // A text may be empty.
    let is_there = |token: &Token| !matches!(token, Token::String(text) if text.is_empty());
    let expected: Vec<Token> = expected.filter(is_there).collect();
    assert_eq!(tokens(hostile), expected);
}

fn tokens(page: &str) -> Vec<Token> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let tokens =
        Tokenizer::new_with_emitter(page, emitter).map(|token| token.unwrap_or_else(|error| match error {}));
    let mut merged: Vec<Token> = Vec::new();
    for token in tokens.filter(|token| !matches!(token, Token::Error(_))) {
        match (merged.last_mut(), token) {
            (Some(Token::String(text)), Token::String(more)) => text.extend_from_slice(&more),
            (_, token) => merged.push(token),
        }
    }
    merged
}

/// A piece of the page about marks, as it is about texts: these may stand in text and some attributes.
fn put(token: Token, value: &impl Fn(usize) -> String) -> Token {
    let text =
        |bytes: &[u8]| filled(std::str::from_utf8(bytes).expect("a page is UTF-8"), value).into_bytes();
    match token {
        Token::String(mut string) => {
            **string = text(&string);
            Token::String(string)
        }
        Token::StartTag(mut tag) => {
            for (name, value) in &mut tag.attributes {
                let name = String::from_utf8_lossy(name).into_owned();
                let is_text = OF_TEXT.contains(&name.as_str())
                    || name.starts_with("aria-")
                    || name.starts_with("data-");
                let filled = text(value);
                assert!(is_text || filled == ***value, "a text in {name}");
                ***value = filled;
            }
            Token::StartTag(tag)
        }
        token => token,
    }
}

/// What a reader of JSON sees.
fn json(plain: &str, hostile: &str, values: &[&str]) {
    let decoded = |number: usize| {
        let text = serde_json::from_str::<String>(&format!("\"{}\"", values[number]));
        text.expect("a value is what stands in a string")
    };
    let mut expected: serde_json::Value = serde_json::from_str(plain).expect("checked when it was loaded");
    put_json(&mut expected, &decoded);
    assert_eq!(serde_json::from_str::<serde_json::Value>(hostile).expect("the same page"), expected);
}

fn put_json(json: &mut serde_json::Value, value: &impl Fn(usize) -> String) {
    match json {
        serde_json::Value::String(text) => *text = filled(text, value),
        serde_json::Value::Array(list) => list.iter_mut().for_each(|json| put_json(json, value)),
        serde_json::Value::Object(members) => {
            assert!(!members.keys().any(|name| name.contains(MARK)), "a text in a name");
            members.values_mut().for_each(|json| put_json(json, value));
        }
        _ => {}
    }
}

// === impl Format ===

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "txt",
            Self::Json => "json",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html",
            Self::Text => "text/plain",
            Self::Json => "application/problem+json",
        }
    }

    /// A page with one variable in each line.
    fn variables(self) -> String {
        match self {
            Self::Html | Self::Text => NAMES.map(|name| format!("{{{{{name}}}}}\n")).concat(),
            Self::Json => format!("[{}]", NAMES.map(|name| format!("\"{{{{{name}}}}}\"")).join(",\n")),
        }
    }

    /// The value in such a line.
    fn value(self, line: &str) -> &str {
        match self {
            Self::Html | Self::Text => line,
            Self::Json => {
                let line = line.trim_start_matches('[').trim_end_matches([']', ',']);
                line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).expect("a string")
            }
        }
    }

    /// That a value means nothing where it stands.
    fn check(self, value: &str) {
        // At most 512 characters, each escaped with six bytes.
        assert!(value.chars().count() <= 6 * 512, "{value}");
        let odd = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}' | '\u{61c}')
        };
        assert!(!value.contains(odd), "{value:?}");
        match self {
            Self::Text => {}
            Self::Json => assert!(!value.contains(['<', '>', '&']), "{value}"),
            Self::Html => {
                assert!(!value.contains(['<', '>', '"', '\'']), "{value}");
                for (index, _) in value.match_indices('&') {
                    assert!(ENTITIES.iter().any(|entity| value[index..].starts_with(entity)), "{value}");
                }
            }
        }
    }
}
