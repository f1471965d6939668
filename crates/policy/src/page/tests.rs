//! What has to hold for every page, whatever a peer put into it.

use super::wording::{Labels, Wording};
use super::*;
use icapstan_model::{FailedReason, NonScannedReason, Reason};
use proptest::prelude::*;

pub(super) fn context<'a>(verdict: &'a Verdict, text: &'a str) -> PageContext<'a> {
    PageContext {
        verdict,
        url: text,
        client: text,
        user: text,
        transaction: text,
        trace: text,
        time: text,
        service: text,
    }
}

fn html(template: TemplateId, verdict: &Verdict, text: &str) -> String {
    String::from_utf8(BlockPage::render(template, &context(verdict, text)).body).unwrap()
}

/// The shipped page in any language and format.
fn shipped(words: &Words, format: Format, template: TemplateId, verdict: &Verdict, text: &str) -> String {
    String::from_utf8(BlockPage::shipped(words, format, template, &context(verdict, text)).body).unwrap()
}

const FORMATS: [Format; 3] = [Format::Html, Format::Text, Format::Json];

/// What strangers have been seen to send, and what they might.
pub(super) fn hostile() -> impl Strategy<Value = String> {
    let known = [
        "\"><script>alert(1)</script>".to_owned(),
        "' onmouseover='alert(1)".to_owned(),
        "javascript:alert(1)//</title></textarea></style>--><svg onload=x>".to_owned(),
        "a\r\nSet-Cookie: x=1\r\n\r\n<html>".to_owned(),
        "{{url}}{{user}}{{{{threat}}}} ${x} #{x} <%= x %>".to_owned(),
        "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m".to_owned(),
        "\u{202e}gpj.exe\u{2066}\u{200f}\u{feff}\u{e0041}".to_owned(),
        "a\0b\\\",\"status\":200,\"x\":\"\\".to_owned(),
        String::from_utf8_lossy(b"\xff\xfe\xc0\xaf\xed\xa0\x80\x80").into_owned(),
        "\"'<>&\\".repeat(20 * 1024),
        "\u{1f9a0}".repeat(25 * 1024),
        "\n".repeat(100 * 1024),
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()),
        "[<>\"'&/a=;#{}\\\\\\PC]{1,700}",
        "\\PC{1,700}",
        "(?s:.{1,700})",
        proptest::collection::vec(any::<u8>(), 1..700)
            .prop_map(|raw| String::from_utf8_lossy(&raw).into_owned()),
    ]
}

fn any_words() -> impl Strategy<Value = &'static Words> {
    proptest::sample::select(&Words::ALL[..])
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.tag)
    }
}

pub(super) fn infected() -> Verdict {
    Verdict::Infected("Win.Test.EICAR_HDB-1".into())
}

fn title(page: &str) -> &str {
    page.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0
}

/// How often each character that HTML minds stands on the page, except in the escapes that stand
/// for it.
pub(super) fn markup(page: &str) -> [usize; 5] {
    let mut bare = page.to_owned();
    for escape in ["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"] {
        bare = bare.replace(escape, "");
    }
    ['<', '>', '"', '\'', '&'].map(|c| bare.matches(c).count())
}

#[test]
fn the_page_names_address_threat_reference_and_the_rest() {
    let verdict = infected();
    let page = BlockPage::render(
        TemplateId::Detected,
        &PageContext {
            verdict: &verdict,
            url: "http://example.com/a?b=1&c=2",
            client: "192.0.2.7",
            user: "jane",
            transaction: "01J-abc",
            trace: "",
            time: "2026-11-23 01:02:03 UTC",
            service: "/respmod",
        },
    );
    let body = String::from_utf8(page.body).unwrap();
    for value in [
        "http://example.com/a?b=1&amp;c=2",
        "Win.Test.EICAR_HDB-1",
        "192.0.2.7",
        "jane",
        "01J-abc",
        "2026-11-23 01:02:03 UTC",
        "/respmod",
    ] {
        assert!(body.contains(&format!("<bdi>{value}</bdi>")), "{value}\n{body}");
    }
}

#[test]
fn icap_c118_script_in_an_address_is_shown_inert() {
    let page = html(TemplateId::Detected, &infected(), "\"><script>alert(1)</script>");
    assert!(!page.contains("<script"));
    assert!(page.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
    let named = Verdict::Infected("\"><script>x".into());
    assert!(!html(TemplateId::Detected, &named, "").contains("<script"));
}

#[test]
fn icap_c118_c119_the_head_is_uncacheable_exact_in_length_and_without_connection() {
    let verdict = infected();
    let page = BlockPage::render(TemplateId::Detected, &context(&verdict, "ä"));
    let head = String::from_utf8(page.head).unwrap();
    let (fields, rest) = head.split_once("\r\n\r\n").unwrap();
    assert_eq!(rest, "");
    let mut lines = fields.split("\r\n");
    assert_eq!(lines.next(), Some("HTTP/1.1 403 Forbidden"));
    let lines: Vec<_> = lines.collect();
    for expected in [
        "Content-Type: text/html; charset=utf-8",
        "Cache-Control: no-store",
        "Content-Language: en",
        "Vary: Accept, Accept-Language",
        "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
    ] {
        assert!(lines.contains(&expected), "{head}");
    }
    assert!(lines.contains(&format!("Content-Length: {}", page.body.len()).as_str()));
    assert!(!head.to_ascii_lowercase().contains("connection"));
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
}

#[test]
fn each_kind_of_page_says_what_happened_in_its_own_words() {
    let titles: std::collections::BTreeSet<_> = [
        (TemplateId::Detected, infected()),
        (TemplateId::Detected, Verdict::Macro("M".into())),
        (TemplateId::Phishing, Verdict::Phishing("P".into())),
        (TemplateId::NotScanned, Verdict::NonScanned(NonScannedReason::Depth)),
        (TemplateId::Failed, Verdict::Failed(FailedReason::Time)),
        (TemplateId::Refused, infected()),
    ]
    .iter()
    .map(|(template, verdict)| title(&html(*template, verdict, "x")).to_owned())
    .collect();
    assert_eq!(titles.len(), 6);
}

#[test]
fn every_reason_is_told_in_words_and_as_the_word_of_the_log() {
    let mut causes = std::collections::BTreeSet::new();
    for reason in Reason::all() {
        let (template, verdict) = match reason {
            Reason::NonScanned(reason) => (TemplateId::NotScanned, Verdict::NonScanned(reason)),
            Reason::Failed(reason) => (TemplateId::Failed, Verdict::Failed(reason)),
        };
        let page = html(template, &verdict, "x");
        assert!(page.contains(&format!("<bdi>{reason}</bdi>")), "{reason}");
        causes.insert(Words::english().wording(template, &verdict).cause);
    }
    assert_eq!(causes.len(), Reason::all().count());
    assert!(causes.iter().all(|cause| !cause.is_empty()));
}

#[test]
fn our_own_words_hold_nothing_that_html_or_json_minds() {
    for words in Words::ALL {
        let Labels { url, threat, reason, user, client, service, time, transaction } = words.labels;
        let mut ours = vec![url, threat, reason, user, client, service, time, transaction];
        ours.extend(words.mistake);
        for template in TemplateId::ALL {
            for verdict in every_verdict() {
                let Wording { title, text, cause } = words.wording(template, &verdict);
                assert!(!title.is_empty() && !text.is_empty(), "{words:?}");
                assert_eq!(cause.is_empty(), verdict.reason().is_none(), "{words:?}");
                ours.extend([title, text, cause]);
            }
        }
        for text in ours {
            let odd = text.chars().find(|c| "<>&\"'\\".contains(*c) || icapstan_model::is_deceptive(*c));
            assert_eq!(odd, None, "{words:?} {text}");
        }
    }
}

fn every_verdict() -> impl Iterator<Item = Verdict> {
    [infected(), Verdict::Macro("M".into()), Verdict::Phishing("P".into())]
        .into_iter()
        .chain(NonScannedReason::ALL.map(Verdict::NonScanned))
        .chain(FailedReason::ALL.map(Verdict::Failed))
}

#[test]
fn each_language_has_words_of_its_own() {
    let mut known = std::collections::BTreeSet::new();
    for words in Words::ALL {
        assert!(
            icapstan_api::LanguageTag::try_from(words.tag.to_owned())
                .is_ok_and(|tag| tag.as_str() == words.tag)
        );
        for template in TemplateId::ALL {
            assert!(
                known.insert(words.wording(template, &infected()).text) || template == TemplateId::Detected,
                "{words:?}"
            );
        }
        let sentences: std::collections::BTreeSet<_> =
            every_verdict().map(|verdict| words.wording(TemplateId::Refused, &verdict).cause).collect();
        assert_eq!(
            sentences.len(),
            Reason::all().count() + 1,
            "{words:?}: a sentence stands for two reasons"
        );
    }
}

#[test]
fn pages_name_their_language_and_arabic_runs_from_right_to_left() {
    for words in Words::ALL {
        let page = shipped(words, Format::Html, TemplateId::Detected, &infected(), "x");
        let direction = if words.tag == "ar" { " dir=\"rtl\"" } else { "" };
        assert!(page.contains(&format!("<html lang=\"{}\"{direction}>", words.tag)));
    }
}

#[test]
fn text_is_lines_and_json_is_a_problem() {
    let verdict = Verdict::Failed(FailedReason::Time);
    let about = PageContext { url: "http://o.test/\"x", ..context(&verdict, "") };
    let text = BlockPage::shipped(Words::english(), Format::Text, TemplateId::Failed, &about);
    assert_eq!(
        String::from_utf8(text.body).unwrap(),
        "Blocked: check not completed\n\n\
         The check for threats did not come to an end, so this content was not delivered. Trying again \
         later may help.\nThe check took longer than it may.\n\n\
         Address: http://o.test/\"x\nReason: time\n\n\
         If you think that this is a mistake, tell your administrator.\n"
    );
    let head = String::from_utf8(text.head).unwrap();
    assert!(head.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    let json = BlockPage::shipped(Words::english(), Format::Json, TemplateId::Failed, &about);
    let head = String::from_utf8(json.head).unwrap();
    assert!(head.contains("\r\nContent-Type: application/problem+json\r\n"));
    let read: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    let expected = serde_json::json!({
        "type": "tag:icapstan.dev,2026:blocked/failed",
        "status": 403,
        "title": "Blocked: check not completed",
        "detail": "The check for threats did not come to an end, so this content was not delivered. \
                   Trying again later may help. The check took longer than it may.",
        "what": "failed",
        "verdict": "failed",
        "reason": "time",
        "url": "http://o.test/\"x",
    });
    assert_eq!(read, expected);
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    let page = html(TemplateId::Detected, &infected(), "x").to_ascii_lowercase();
    for outside in [
        "<script",
        "src=",
        "href=",
        "url(",
        "@import",
        "<link",
        "<img",
        "<iframe",
        "http-equiv",
        "onload",
        "onerror",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn rows_without_a_value_are_left_out() {
    let verdict = infected();
    let page = html(TemplateId::Detected, &verdict, "");
    assert_eq!(page.matches("<dt>").count(), 1);
    assert!(!page.contains("reference above"));
}

#[test]
fn the_longest_texts_fit_the_bound_and_long_addresses_keep_both_ends() {
    let verdict = Verdict::Infected("N".repeat(200).as_str().into());
    for text in ["\"".repeat(100_000), "\u{10ffff}".repeat(100_000), "\u{1f9a0}".repeat(100_000)] {
        for (words, format) in Words::ALL.iter().flat_map(|words| FORMATS.map(|format| (words, format))) {
            let page = shipped(words, format, TemplateId::NotScanned, &verdict, &text);
            assert!(page.len() <= BlockPage::MAX_BODY, "{words:?} {format:?}: {}", page.len());
        }
    }
    let url = format!("http://example.com/{}/last.exe", "a".repeat(5000));
    let page = html(TemplateId::Detected, &verdict, &url);
    assert!(page.contains("<bdi>http://example.com/aaa") && page.contains("aaa/last.exe</bdi>"));
}

proptest! {
    #[test]
    fn no_text_from_a_peer_adds_markup_or_breaks_the_bound(
        text in hostile(),
        words in any_words(),
        template in proptest::sample::select(&TemplateId::ALL[..]),
    ) {
        let verdict = Verdict::Infected(text.as_str().into());
        let page = shipped(words, Format::Html, template, &verdict, &text);
        let harmless = shipped(words, Format::Html, template, &infected(), "x");
        prop_assert_eq!(markup(&page), markup(&harmless));
        prop_assert!(page.len() <= BlockPage::MAX_BODY);
        prop_assert!(page.chars().all(|c| c == '\n' || !icapstan_model::is_deceptive(c)));
    }

    #[test]
    fn no_text_from_a_peer_adds_a_line_or_moves_a_terminal(
        text in hostile(),
        words in any_words(),
        template in proptest::sample::select(&TemplateId::ALL[..]),
    ) {
        let page = shipped(words, Format::Text, template, &infected(), &text);
        let harmless = shipped(words, Format::Text, template, &infected(), "x");
        prop_assert_eq!(page.lines().count(), harmless.lines().count());
        prop_assert!(page.len() <= BlockPage::MAX_BODY);
        prop_assert!(page.chars().all(|c| c == '\n' || !icapstan_model::is_deceptive(c)));
    }

    #[test]
    fn no_text_from_a_peer_adds_or_changes_a_member(
        text in hostile(),
        words in any_words(),
        template in proptest::sample::select(&TemplateId::ALL[..]),
    ) {
        let page = shipped(words, Format::Json, template, &infected(), &text);
        prop_assert!(page.len() <= BlockPage::MAX_BODY && !page.contains(['<', '>']));
        prop_assert!(page.trim_end().chars().all(|c| !icapstan_model::is_deceptive(c)));
        let names = |page: &str| -> Vec<String> {
            let read: serde_json::Map<_, _> = serde_json::from_str(page).unwrap();
            read.keys().cloned().collect()
        };
        let harmless = shipped(words, Format::Json, template, &infected(), "x");
        prop_assert_eq!(names(&page), names(&harmless));
        let (page, harmless): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&page).unwrap(), serde_json::from_str(&harmless).unwrap());
        for name in ["type", "status", "title", "detail", "what", "verdict", "threat"] {
            prop_assert_eq!(&page[name], &harmless[name]);
        }
        let short: String = text.chars().map(|c| if icapstan_model::is_deceptive(c) { '\u{fffd}' } else { c }).collect();
        if text.chars().count() <= MAX_TEXT {
            prop_assert_eq!(page["user"].as_str(), Some(short.as_str()));
        }
    }
}
