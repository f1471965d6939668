//! Which page a reader gets, and which folders can be used.

use super::*;
use crate::page::tests::{context, infected};
use std::fs;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn settings(dir: Option<&TempDir>, language: &str) -> TemplateSettings {
    TemplateSettings {
        folder: dir.map(|dir| dir.path().to_owned()),
        language: LanguageTag::try_from(language.to_owned()).unwrap(),
    }
}

fn load(files: &[(&str, &str)], language: &str) -> Result<Templates, String> {
    let dir = folder(files);
    Templates::load(&settings(Some(&dir), language), &[])
        .map_err(|error| error.to_string().replace(dir.path().to_str().unwrap(), "DIR"))
}

fn page(templates: &Templates, accept: &str, language: &str) -> (String, String) {
    let wishes = Wishes::new([accept.as_bytes()], [language.as_bytes()]);
    let page = templates.page(TemplateId::Detected, &wishes, &context(&infected(), "V"), "R");
    (String::from_utf8(page.head).unwrap(), String::from_utf8(page.body).unwrap())
}

/// The `Content-Language` of what such a reader gets.
fn language(templates: &Templates, wish: &str) -> String {
    let (head, _) = page(templates, "text/html", wish);
    let field = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Language: "));
    field.unwrap_or_default().to_owned()
}

#[test]
fn readers_get_the_shipped_page_in_their_language_else_in_the_set_one() {
    let english = Templates::default();
    let german = Templates::load(&settings(None, "de"), &[]).unwrap();
    for (wish, by_english, by_german) in [
        ("", "en", "de"),
        ("fr-CA", "fr", "fr"),
        ("sv", "en", "de"),
        ("zh-CN", "zh-Hans", "zh-Hans"),
        ("*", "en", "de"),
    ] {
        assert_eq!(language(&english, wish), by_english, "{wish}");
        assert_eq!(language(&german, wish), by_german, "{wish}");
    }
    assert!(page(&german, "text/html", "ja").1.contains("lang=\"ja\""));
    assert_eq!(
        Templates::load(&settings(None, "sv"), &[]).unwrap_err().to_string(),
        "templates: language: no page is in \"sv\"; there are: ar, de, en, es, fr, it, ja, nl, pl, pt, ru, zh-Hans"
    );
}

#[test]
fn pages_of_the_folder_stand_before_the_shipped_ones_by_format_and_language() {
    let templates = load(
        &[
            ("detected.sv.html", "svenska {{user}}"),
            ("detected.de.html", "deutsch {{user}} {{rule}}"),
            ("detected.txt", "any {{url}}"),
            ("failed.html", "failed"),
            (".hidden", "{{"),
        ],
        "sv",
    )
    .unwrap();
    let (head, body) = page(&templates, "text/html", "de-AT");
    assert_eq!(body, "deutsch V R");
    assert!(head.contains("\r\nContent-Language: de\r\n") && head.contains("\r\nContent-Length: 11\r\n"));
    assert!(head.contains("\r\nVary: Accept, Accept-Language\r\n") && head.contains("img-src data:"));
    assert_eq!(page(&templates, "text/html", "sv-SE").1, "svenska V");
    assert_eq!(page(&templates, "text/html", "fi").1, "svenska V", "the set language");
    assert!(page(&templates, "text/html", "fr").1.contains("Menace"), "shipped where there is none");
    let (head, body) = page(&templates, "text/plain", "fr");
    assert_eq!(body, "any V", "for every language");
    assert!(head.contains("text/plain") && !head.contains("Content-Language"));
    assert!(
        page(&templates, "application/json", "sv").1.contains("\"status\":403"),
        "shipped where there is none"
    );
}

#[test]
fn a_page_for_every_language_gives_way_to_those_of_one_language_only() {
    let templates = load(&[("detected.html", "any"), ("detected.pt-BR.html", "brasil")], "en").unwrap();
    for (wish, expected) in [("en", "any"), ("de", "any"), ("", "any"), ("pt-BR", "brasil"), ("pt", "brasil")]
    {
        assert_eq!(page(&templates, "text/html", wish).1, expected, "{wish}");
    }
}

#[test]
fn what_cannot_be_used_is_told_with_file_and_line() {
    for (name, text, expected) in [
        ("detected.html", "a\n{{uri}}", "templates: DIR/detected.html:2: the variable {{uri}} is unknown"),
        ("detected.de.html", "<a href='{{url}}'>", "templates: DIR/detected.de.html:1: a variable may not"),
        ("detcted.html", "", "folder: no rule names the page \"detcted\"; shipped are: detected, failed"),
        ("detected.html.bak", "", "DIR/detected.html.bak: has no name such as detected.html"),
        ("detected", "", "has no name such as"),
        ("detected.english.html", "", "\"english\" is no language tag"),
        ("detected.json", "{", "detected.json:1: is not JSON"),
    ] {
        let error = load(&[(name, text)], "en").unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let error =
        load(&[("failed.html", "{{x}}"), ("detected.txt", "{{y}}"), ("refused.txt", "{{url}}")], "en");
    let error = error.unwrap_err();
    assert_eq!(error.lines().count(), 2, "all faults at once: {error}");
    let error = load(&[("failed.pt-BR.html", ""), ("failed.pt-br.html", "")], "en").unwrap_err();
    assert!(error.contains("two files have the page failed in \"pt-BR\""), "{error}");
    let gone = TemplateSettings { folder: Some("/nonexistent/x".into()), ..settings(None, "en") };
    assert!(
        Templates::load(&gone, &[])
            .unwrap_err()
            .to_string()
            .starts_with("templates: /nonexistent/x: cannot be read")
    );
}

#[test]
fn the_folder_is_read_within_bounds() {
    let fits = "x".repeat(Templates::MAX_FILE);
    assert!(load(&[("failed.txt", &fits)], "en").is_ok());
    let error = load(&[("failed.txt", &format!("{fits}x"))], "en").unwrap_err();
    assert!(error.contains("has more than 65536 bytes"), "{error}");
    let names: Vec<_> = (0..=Templates::MAX_TOTAL / Templates::MAX_FILE)
        .map(|number| format!("failed.en-{number:04}.txt"))
        .collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), fits.as_str())).collect();
    let error = load(&files, "en").unwrap_err();
    assert!(error.contains("holds more than 8388608 bytes"), "{error}");
    let dir = folder(&[]);
    for number in 0..=Folder::MAX_FILES {
        fs::write(dir.path().join(format!(".{number}")), "").unwrap();
    }
    let error = Templates::load(&settings(Some(&dir), "en"), &[]).unwrap_err().to_string();
    assert!(error.contains("holds more than 1024 files"), "{error}");
}

#[test]
fn files_of_a_config_map_are_links_and_folders_are_left_alone() {
    let dir = folder(&[]);
    let data = dir.path().join("..data");
    fs::create_dir(&data).unwrap();
    fs::create_dir(dir.path().join("old")).unwrap();
    fs::write(data.join("detected.html"), "mapped").unwrap();
    std::os::unix::fs::symlink("..data/detected.html", dir.path().join("detected.html")).unwrap();
    let templates = Templates::load(&settings(Some(&dir), "en"), &[]).unwrap();
    assert_eq!(page(&templates, "text/html", "de").1, "mapped");
    std::os::unix::fs::symlink("..data/gone", dir.path().join("failed.html")).unwrap();
    assert!(Templates::load(&settings(Some(&dir), "en"), &[]).is_err());
}

#[test]
fn what_the_documentation_shows_is_so() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(page).unwrap();
    let example = page.split_once("```html\n").unwrap().1.split_once("```").unwrap().0;
    assert!(load(&[("detected.html", example)], "en").is_ok());
    let lines = format!("{}<a href=\"{{{{url}}}}\">", "\n".repeat(11));
    let dir = folder(&[("detected.de.html", &lines)]);
    let error = Templates::load(&settings(Some(&dir), "en"), &[]).unwrap_err().to_string();
    let shown = error.replace(dir.path().to_str().unwrap(), "/etc/icapstan/templates");
    assert!(page.contains(&format!("icapstan.yaml: {shown}\n")), "{shown}");
    for words in Words::ALL {
        assert!(page.contains(&format!("(`{}`)", words.tag)), "{}", words.tag);
    }
    for name in crate::page::custom::PageVariable::ALL.map(crate::page::custom::PageVariable::as_str) {
        assert!(page.contains(&format!("`{{{{{name}}}}}`")), "{name}");
    }
}

#[test]
fn a_page_of_a_name_of_its_own_is_shown_where_a_rule_names_it() {
    let dir = folder(&[("hr-policy.html", "hr {{rule}}"), ("detected.html", "any")]);
    let name = TemplateId::try_from("hr-policy").unwrap();
    let policies = |template| {
        let action = RuleAction::Block(template);
        let rule = icapstan_api::Rule::new(icapstan_api::RuleVerdict::Detect, action);
        [ScanPolicy { rules: vec![rule], ..ScanPolicy::new("default") }]
    };
    let templates = Templates::load(&settings(Some(&dir), "en"), &policies(name)).unwrap();
    let show = |accept: &str| {
        let wishes = Wishes::new([accept.as_bytes()], []);
        let page = templates.page(name, &wishes, &context(&infected(), "V"), "uploads");
        String::from_utf8(page.body).unwrap()
    };
    assert_eq!(show("text/html"), "hr uploads");
    assert!(show("text/plain").starts_with("Threat blocked\n"), "what is true of the verdict");
    assert!(show("application/json").contains("\"what\":\"hr-policy\""));
    let missing = TemplateId::try_from("legal").unwrap();
    let error = Templates::load(&settings(Some(&dir), "en"), &policies(missing)).unwrap_err().to_string();
    assert!(error.contains("a rule names the page \"legal\", and there is no file for it"), "{error}");
    assert!(error.contains("no rule names the page \"hr-policy\""), "{error}");
}
