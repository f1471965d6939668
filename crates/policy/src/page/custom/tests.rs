//! Where variables may stand, where they may not, and that their values are nothing but text.

use super::*;
use crate::page::tests::{context, hostile, infected, markup};
use icapstan_model::Verdict;
use proptest::prelude::*;

fn parse(format: Format, text: &str) -> Result<CustomPage, String> {
    CustomPage::parse(text.as_bytes(), format).map_err(|error| error.to_string())
}

/// What a page is when each variable is `value`.
fn filled(format: Format, text: &str, value: &str) -> String {
    parse(format, text).unwrap().fill(&context(&infected(), value), value)
}

#[test]
fn each_variable_is_filled_in() {
    let names = PageVariable::names();
    assert_eq!(names, "url, threat, verdict, reason, client, user, transaction, trace, time, service, rule");
    let lines: Vec<_> = names.split(", ").map(|name| format!("{name}={{{{{name}}}}}\n")).collect();
    let text = lines.concat();
    let verdict = Verdict::Failed(icapstan_model::FailedReason::Time);
    let about = PageContext {
        verdict: &verdict,
        url: "http://o.test/",
        client: "192.0.2.1",
        user: "jane",
        transaction: "42",
        trace: "4bf9",
        time: "now",
        service: "respmod",
    };
    let page = parse(Format::Text, &text).unwrap().fill(&about, "uploads");
    assert_eq!(
        page,
        "url=http://o.test/\nthreat=\nverdict=failed\nreason=time\nclient=192.0.2.1\nuser=jane\n\
         transaction=42\ntrace=4bf9\ntime=now\nservice=respmod\nrule=uploads\n"
    );
}

#[test]
fn values_are_escaped_for_where_they_stand() {
    let value = "\"'<b>&\\{{url}}\n";
    assert_eq!(
        filled(Format::Html, "<p title='{{user}}'>", value),
        "<p title='&quot;&#39;&lt;b&gt;&amp;\\{{url}}\u{fffd}'>"
    );
    assert_eq!(filled(Format::Text, "{{user}}", value), "\"'<b>&\\{{url}}\u{fffd}");
    let json = filled(Format::Json, "{\"a\":[\"-{{user}}-\"]}", value);
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["a"][0], "-\"'<b>&\\{{url}}\u{fffd}-");
}

const GOOD_HTML: &str = "\u{feff}<!DOCTYPE html>\n<!-- a > b --><!--><!---><html lang=en>\n\
    <title>Stop &amp; {{threat}}</title>\n<style>@media print{a{color:red}}</style>\n\
    <p data-url=\"{{url}}\" aria-label='{{reason}} &lt;' class=a hidden>1 < 2 &copy; {{url}}{{user}}\n\
    <img alt=\"{{threat}}\" src=\"data:image/png;base64,AA==\"/><textarea>{{url}}</textarea >\n\
    <a href=\"https://help.test/\" onclick=\"x()\">{{transaction}}</a></p></html>";

#[test]
fn what_is_harmless_in_html_is_accepted_and_comes_back_as_it_was() {
    let page = filled(Format::Html, GOOD_HTML, "V");
    let expected = PageVariable::names().split(", ").fold(
        GOOD_HTML.trim_start_matches('\u{feff}').to_owned(),
        |text, name| {
            let value = match name {
                "threat" => "Win.Test.EICAR_HDB-1",
                "reason" => "",
                _ => "V",
            };
            text.replace(&format!("{{{{{name}}}}}"), value)
        },
    );
    assert_eq!(page, expected);
}

#[test]
fn variables_that_could_be_more_than_text_are_refused_in_html() {
    for (text, expected) in [
        ("<p>\n\n<script>var u = '{{url}}'</script>", "3: <script> has no place"),
        ("<SCRIPT src=x></SCRIPT>", "1: <script> has no place"),
        ("<style>\n a { color: {{user}} }</style>", "2: a variable may not stand in <style>"),
        ("<p class={{user}}>", "1: a variable may not stand in an attribute without quotes"),
        ("<p class=a{{user}}>", "in an attribute without quotes"),
        ("<p onclick=\"x('{{user}}')\">", "may not stand in the attribute onclick"),
        ("<p ONCLICK = '{{user}}'>", "may not stand in the attribute onclick"),
        ("<a\nhref=\"{{url}}\">", "2: a variable may not stand in the attribute href"),
        ("<a href=\"/?u={{url}}\">", "attribute href"),
        ("<a href='&amp;{{url}}'>", "attribute href"),
        ("<img src=\"{{url}}\">", "attribute src"),
        ("<p style=\"{{user}}\">", "attribute style"),
        ("<iframe srcdoc=\"{{user}}\">", "<iframe> has no place"),
        ("<meta http-equiv=refresh content=\"0;{{url}}\">", "attribute content"),
        ("<p {{user}}>", "may not stand in a tag"),
        ("<p a{{user}}=x>", "may not stand in a tag"),
        ("<{{user}}>", "right behind <"),
        ("<p{{user}}>", "may not stand in a tag"),
        ("</{{user}}>", "may not stand in a tag"),
        ("</p {{user}}>", "may not stand in a tag"),
        (
            "<p data\0\u{1b}\u{202e}x='{{user}}'>",
            "may not stand in the attribute data\u{fffd}\u{fffd}\u{fffd}x;",
        ),
        ("<!-- {{user}} -->", "may not stand in a comment"),
        ("<!DOCTYPE {{user}}>", "may not stand in a <!...> declaration"),
        ("<?xml {{user}}>", "may not stand in a <?...> declaration"),
        ("<svg><![CDATA[{{user}}]]></svg>", "<![CDATA[> has no place"),
        ("&#{{user}};", "in a character reference"),
        ("&{{user}};", "in a character reference"),
        ("<title></title{{user}}", "in a title with <"),
        ("<title><{{user}}</title>", "in a title with <"),
        ("<p title=\"{{user}}>", "1: an attribute has no end"),
        ("<p title=x", "a tag has no end"),
        ("<!-- x", "a comment has no end"),
        ("<title>x", "<title> has no end"),
        ("<style>x", "<style> has no end"),
    ] {
        let error = parse(Format::Html, text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn braces_that_say_nothing_known_are_refused_with_their_line() {
    for format in [Format::Html, Format::Text] {
        for (text, expected) in [
            ("a\n{{password}}", "2: the variable {{password}} is unknown; there are: url, threat"),
            ("{{ url }}", "1: the variable {{ url }} is unknown"),
            ("{{}}", "the variable {{}} is unknown"),
            ("{{{url}}}", "the variable {{{url}} is unknown"),
            ("{{#if url}}", "{{#if url}} is unknown"),
            ("{{URL}}", "{{URL}} is unknown"),
            ("a\n\n{{url", "3: {{ without }} in the same line"),
            ("{{url}", "{{ without }}"),
            ("{{url\n}}", "1: {{ without }}"),
            ("a\nurl}}", "2: }} without {{"),
        ] {
            let error = parse(format, text).unwrap_err();
            assert!(error.starts_with(expected) || error.contains(expected), "{text}: {error}");
        }
    }
    let many = "{{url}}".repeat(CustomPage::MAX_VARIABLES + 1);
    assert!(parse(Format::Text, &many).unwrap_err().contains("more than 64"));
    assert!(parse(Format::Text, &many[7..]).is_ok());
    let error = CustomPage::parse(b"a\nb\n\xff", Format::Text).unwrap_err().to_string();
    assert_eq!(error, "3: is not UTF-8 text");
}

#[test]
fn variables_stand_in_json_strings_only() {
    assert!(parse(Format::Json, "{\"a\":{\"b\":\"\\\"{{url}}\\\\\"}}").is_ok());
    for (text, expected) in [
        ("{\"a\":\n{{url}}}", "2: a variable may not stand outside of a string"),
        ("{{url}}", "outside of a string"),
        ("{\"{{url}}\" : 1}", "in the name of a member"),
        ("[\"\\{{url}}\"]", "in an escape"),
        ("[\"\\u00{{url}}\"]", "is not JSON"),
        ("[\"}}\"]", "}} without {{"),
        ("[\"{{url}}", "a string has no end"),
        ("[\n1,]", "2: is not JSON"),
        ("", "1: is not JSON"),
    ] {
        let error = parse(Format::Json, text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// A page with a variable in each place where one may stand in HTML.
const EVERYWHERE: &str = "<title>{{user}}</title><p title=\"{{user}}\" data-x='{{user}}'>{{user}}</p>\
    <input value=\"a{{user}}b\" alt='{{user}}'><textarea>{{user}}</textarea>1 < 2 {{url}}";

proptest! {
    #[test]
    fn no_value_is_more_than_text_in_html(value in hostile()) {
        let page = filled(Format::Html, EVERYWHERE, &value);
        prop_assert_eq!(markup(&page), markup(&filled(Format::Html, EVERYWHERE, "x")));
        prop_assert!(page.chars().all(|c| !icapstan_model::is_deceptive(c)));
        prop_assert!(page.len() <= crate::BlockPage::MAX_CUSTOM_BODY);
    }

    #[test]
    fn no_value_is_more_than_a_part_of_a_line_in_text(value in hostile()) {
        let page = filled(Format::Text, "A: {{user}}\nB: {{url}}\n", &value);
        prop_assert_eq!(page.lines().count(), 2);
        prop_assert!(page.chars().all(|c| c == '\n' || !icapstan_model::is_deceptive(c)));
    }

    #[test]
    fn no_value_is_more_than_a_string_in_json(value in hostile()) {
        let page = filled(Format::Json, "{\"a\":\"\\\\{{user}}\",\"b\":[\"{{url}}\\\"\",1]}", &value);
        let read: serde_json::Value = serde_json::from_str(&page).unwrap();
        let a = read["a"].as_str().unwrap();
        prop_assert!(a.starts_with('\\') && a.chars().count() <= 1 + MAX_TEXT);
        prop_assert!(read["b"][0].as_str().unwrap().ends_with('"'));
        prop_assert_eq!(&read["b"][1], &serde_json::json!(1));
        prop_assert_eq!(read.as_object().unwrap().len(), 2);
    }

    #[test]
    fn whatever_is_accepted_keeps_its_markup_whatever_the_value(
        text in "([a<>/!=\"' &#;-]|\\{\\{url\\}\\}|<p title=\"|<title>|</title>|<!--|-->|<style>|</style>){0,30}",
        value in hostile(),
    ) {
        if let Ok(page) = parse(Format::Html, &text) {
            let fill = |value: &str| page.fill(&context(&infected(), value), value);
            prop_assert_eq!(markup(&fill(&value)), markup(&fill("x")));
        }
    }

    #[test]
    fn no_file_is_a_fault_of_the_reader(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "([{}<>/!=\"'a\\\\ \n-]|\\{\\{url\\}\\}|<p |<title>|<style>){0,60}".prop_map(String::into_bytes),
        ],
        format in proptest::sample::select(&[Format::Html, Format::Text, Format::Json][..]),
    ) {
        let _ = CustomPage::parse(&bytes, format);
    }
}
