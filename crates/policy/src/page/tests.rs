//! What has to hold for every page, whatever a peer put into it.

use super::*;
use icapstan_model::{FailedReason, NonScannedReason, Reason};
use proptest::prelude::*;

fn context<'a>(verdict: &'a Verdict, text: &'a str) -> PageContext<'a> {
    PageContext { verdict, url: text, client: text, user: text, transaction: text, time: text, service: text }
}

fn html(template: TemplateId, verdict: &Verdict, text: &str) -> String {
    String::from_utf8(BlockPage::render(template, &context(verdict, text)).body).unwrap()
}

fn infected() -> Verdict {
    Verdict::Infected("Win.Test.EICAR_HDB-1".into())
}

fn title(page: &str) -> &str {
    page.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0
}

/// How often each character that HTML minds stands on the page, except in the escapes that stand
/// for it.
fn markup(page: &str) -> [usize; 5] {
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
        causes.insert(Wording::of(template, &verdict).cause);
    }
    assert_eq!(causes.len(), Reason::all().count());
    assert!(causes.iter().all(|cause| !cause.is_empty()));
}

#[test]
fn our_own_words_hold_nothing_that_html_minds() {
    for template in TemplateId::ALL {
        for verdict in [infected(), Verdict::Macro("M".into()), Verdict::Phishing("P".into())]
            .into_iter()
            .chain(NonScannedReason::ALL.map(Verdict::NonScanned))
            .chain(FailedReason::ALL.map(Verdict::Failed))
        {
            let Wording { title, text, cause } = Wording::of(template, &verdict);
            assert!(![title, text, cause].concat().contains(['<', '>', '&', '"', '\'']));
        }
    }
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
        assert!(html(TemplateId::NotScanned, &verdict, &text).len() <= BlockPage::MAX_BODY);
    }
    let url = format!("http://example.com/{}/last.exe", "a".repeat(5000));
    let page = html(TemplateId::Detected, &verdict, &url);
    assert!(page.contains("<bdi>http://example.com/aaa") && page.contains("aaa/last.exe</bdi>"));
}

proptest! {
    #[test]
    fn no_text_from_a_peer_adds_markup_or_breaks_the_bound(
        text in "[<>\"'&/a=;#\\PC]{1,700}|\\PC{1,700}|(?s:.{1,700})",
        template in proptest::sample::select(&TemplateId::ALL[..]),
    ) {
        let verdict = Verdict::Infected(text.as_str().into());
        let harmless = infected();
        let page = html(template, &verdict, &text);
        prop_assert_eq!(markup(&page), markup(&html(template, &harmless, "x")));
        prop_assert!(page.len() <= BlockPage::MAX_BODY);
        prop_assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
