//! The page that a user sees in place of what was blocked.

use crate::input::Input;
use icapstan_model::{FailedReason, IsTag, NonScannedReason, ThreatName, Verdict};
use icapstan_policy::{BlockPage, PageContext, TemplateId};

/// Writes a page about texts from anywhere.
///
/// - Its markup is that of the same page about harmless texts: nothing in a text is markup.
/// - It holds no characters that are invisible or rearrange others, and is no longer than it may be.
/// - Its head tells its length and has no line from a text.
/// - Names of threats and service tags hold what they may.
pub fn page(data: &[u8]) {
    let mut input = Input::new(data);
    let template = input.pick(&[
        TemplateId::Detected,
        TemplateId::Phishing,
        TemplateId::NotScanned,
        TemplateId::Failed,
        TemplateId::Refused,
    ]);
    let (kind, times) = (input.byte(), usize::from(input.byte()));
    let threat = input.text();
    let texts: Vec<String> = (0..5).map(|_| String::from_utf8_lossy(input.text()).into_owned()).collect();
    let url = String::from_utf8_lossy(input.rest()).repeat(times);
    name(threat);
    let verdict = |name: &[u8]| match kind % 5 {
        0 => Verdict::Infected(ThreatName::new(name)),
        1 => Verdict::Phishing(ThreatName::new(name)),
        2 => Verdict::Macro(ThreatName::new(name)),
        3 => Verdict::NonScanned(NonScannedReason::ALL[usize::from(kind) % NonScannedReason::ALL.len()]),
        _ => Verdict::Failed(FailedReason::ALL[usize::from(kind) % FailedReason::ALL.len()]),
    };
    let render = |verdict: &Verdict, url: &str, texts: [&str; 5]| {
        let [client, user, transaction, time, service] = texts;
        BlockPage::render(
            template,
            &PageContext { verdict, url, client, user, transaction, trace: transaction, time, service },
        )
    };
    let page = render(&verdict(threat), &url, std::array::from_fn(|index| texts[index].as_str()));
    let harmless = |text: &str| if text.is_empty() { "" } else { "x" };
    let plain = render(&verdict(b"x"), harmless(&url), std::array::from_fn(|index| harmless(&texts[index])));
    let (html, expected) = (inert(&page.body), inert(&plain.body));
    assert_eq!(tags(&html), tags(&expected));
    let head = String::from_utf8(page.head).expect("ASCII");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", page.body.len())));
    assert_eq!(head.matches('\n').count(), String::from_utf8_lossy(&plain.head).matches('\n').count());
    assert!(head.starts_with("HTTP/1.1 403 ") && head.ends_with("\r\n\r\n"));
}

/// The text of a page that keeps to what holds for every page.
pub(crate) fn inert(body: &[u8]) -> String {
    assert!(body.len() <= BlockPage::MAX_BODY);
    let html = String::from_utf8(body.to_vec()).expect("a page is UTF-8");
    let odd = html.chars().filter(|c| !(' '..='~').contains(c)).find(|c| {
        c.is_control() && *c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}' | '\u{61c}')
    });
    assert_eq!(odd, None);
    for (index, _) in html.match_indices('&') {
        let entity = html[index..].split_inclusive(';').next().unwrap_or_default();
        assert!(["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"].contains(&entity), "{entity:?}");
    }
    html
}

/// Everything between angle brackets, and each value's place.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split_inclusive('>').next().unwrap_or_default()).collect()
}

fn name(raw: &[u8]) {
    let name = ThreatName::new(raw);
    assert!((1..=ThreatName::MAX_LEN).contains(&name.as_str().len()));
    assert!(name.as_str().bytes().all(|b| b.is_ascii_graphic() && !b"\"'`,;<>&\\".contains(&b)));
    if let Ok(text) = std::str::from_utf8(raw)
        && let Ok(tag) = IsTag::new(text)
    {
        assert!(tag.as_str() == text && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    }
}
