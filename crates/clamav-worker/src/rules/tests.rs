use super::*;
use crate::rules::files::rule_around;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("icapstan-rules-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir(&folder.0).unwrap();
        for (name, text) in files {
            fs::write(folder.0.join(name), text).unwrap();
        }
        folder
    }

    fn load(&self) -> Result<Rules, RulesError> {
        Rules::load(&RuleSettings { folders: vec![self.0.clone()], time: Duration::from_secs(2) })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn rule(name: &str, text: &str) -> String {
    format!("rule {name} {{\n strings:\n  $a = \"{text}\"\n condition:\n  $a\n}}\n")
}

const SLOW: &str = "\n\nprivate rule slow {\n condition:\n  \
    for any i in (0..filesize) : (for any j in (0..filesize) : (uint8(i) + uint8(j) == 1000))\n}\n";

#[test]
fn rules_detect_note_depend_and_hide_as_yara_has_it() {
    let more = [
        "private rule hidden { strings: $a = \"hidden\" condition: $a }",
        "rule leans { condition: hidden and hash.md5(0, filesize) != \"\" }",
        "rule told : log { strings: $a = \"told\" condition: $a }",
    ];
    let more = format!("import \"hash\"\n{}", more.join("\n"));
    let global = "global rule only { condition: filesize > 20 }\nrule any { condition: true }";
    let folder = Folder::new(&[
        ("a.yar", &rule("one", "first")),
        ("b.YARA", &more),
        ("c.yar", global),
        ("x.txt", "?"),
    ]);
    let rules = folder.load().unwrap();
    assert_eq!(rules.count, 6);
    let look = |text: &str| {
        let look = rules.begin(Duration::from_secs(5)).look(text.as_bytes());
        assert!(!look.is_cut);
        let names = |names: Vec<Vec<u8>>| {
            names.into_iter().map(|name| String::from_utf8(name).unwrap()).collect::<Vec<_>>()
        };
        (names(look.detected), names(look.noted))
    };
    assert_eq!(
        look("first hidden told"),
        (vec!["YARA.one".into(), "YARA.leans".into()], vec!["YARA.told".into()])
    );
    assert_eq!(look("nothing"), (vec![], vec![]));
    let long = look("more than twenty bytes of nothing");
    assert_eq!(long.0.iter().filter(|name| *name == "YARA.any").count(), 1, "{long:?}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_line_and_rule_and_none_is_used() {
    let good = rule("good", "x");
    for (bad, said) in [
        (
            "rule fine { condition: true }\n\nglobal rule odd\n{\n condition: missing\n}",
            "bad.yar:5:13: error: unknown identifier",
        ),
        ("rule odd {\n strings:\n  $a = \"x\"\n condition: true }", "bad.yar:3:3: error: "),
        ("rule odd {\n strings:\n  $a = /(/\n condition: $a }", "bad.yar:3:"),
        ("rule odd { condition }", "bad.yar:1:"),
        ("import \"cuckoo\"\nrule odd { condition: true }", "bad.yar:1:"),
        ("include \"/etc/passwd\"", "bad.yar:1:1: error: includes are not allowed"),
    ] {
        let folder = Folder::new(&[("a.yar", &good), ("bad.yar", bad)]);
        let error = folder.load().unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(said), "{text}");
        if bad.contains("rule odd") && !bad.starts_with("import") {
            assert!(text.ends_with("(rule odd)"), "{text}");
        }
    }
    let folder = Folder::new(&[("a.yar", &good)]);
    fs::write(folder.0.join("latin.yar"), b"// caf\xe9").unwrap();
    assert!(folder.load().unwrap_err().to_string().contains("latin.yar: "));
    fs::remove_file(folder.0.join("latin.yar")).unwrap();
    fs::create_dir(folder.0.join("folder.yar")).unwrap();
    assert!(folder.load().unwrap_err().to_string().contains("folder.yar: not a regular file"));
    let none = Folder::new(&[("a.yar", "// none\n")]).load().unwrap_err();
    assert!(matches!(none, RulesError::Empty(_)), "{none}");
    let missing = RuleSettings { folders: vec![PathBuf::from("/nonexistent")], time: Duration::from_secs(1) };
    assert!(matches!(Rules::load(&missing), Err(RulesError::File(..))));
}

#[test]
fn a_slow_rule_is_found_among_many() {
    let many: String =
        (0..40).map(|number| rule(&format!("r{number}"), &format!("needle{number}"))).collect();
    let middle = format!("{many}{SLOW}{}", rule("last", "last"));
    let settings =
        |folder: &Folder| RuleSettings { folders: vec![folder.0.clone()], time: Duration::from_millis(300) };
    let folder = Folder::new(&[("a.yar", &many), ("b.yar", &middle), ("c.yar", &many)]);
    let text = Rules::load(&settings(&folder)).unwrap_err().to_string();
    assert!(text.starts_with("b.yar:243: the rule slow is too slow"), "{text}");
    let first = Folder::new(&[("a.yar", SLOW)]);
    let text = Rules::load(&settings(&first)).unwrap_err().to_string();
    assert!(text.starts_with("a.yar:3: the rule slow is too slow"), "{text}");
}

#[test]
fn what_is_not_done_in_time_is_cut() {
    let scanner = compile([("a", SLOW)].into_iter()).unwrap();
    let rules = Rules { scanner, count: 1, time: Duration::from_millis(50) };
    let begin = Instant::now();
    let mut turn = rules.begin(Duration::from_mins(1));
    assert!(turn.look(&vec![7; 1 << 20]).is_cut);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(turn.look(b"more").is_cut, "the time is that of the object");
}

#[test]
fn time_that_others_take_is_not_that_of_the_rules_but_that_of_the_scan() {
    let scanner = compile([("a", "rule any { condition: true }")].into_iter()).unwrap();
    let rules = Rules { scanner, count: 1, time: Duration::from_millis(500) };
    let (mut roomy, mut tight) = (rules.begin(Duration::from_mins(1)), rules.begin(Duration::from_millis(1)));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(600) {
        std::thread::yield_now();
    }
    assert_eq!(roomy.look(b"text").detected, [b"YARA.any"]);
    assert!(roomy.left < Duration::from_millis(500) && !roomy.left.is_zero(), "{:?}", roomy.left);
    assert_eq!(tight.look(b"text"), Look { is_cut: true, ..Look::default() });
}

#[test]
fn the_rule_of_a_line_is_that_which_began_last() {
    let text = "rule a{\n}\n\nprivate  global rule b_2 : tag {\n x\n}\nrule\n";
    for (line, name) in [(1, "a"), (3, "a"), (5, "b_2"), (99, "b_2")] {
        assert_eq!(rule_around(text, line).as_deref(), Some(name), "{line}");
    }
    assert_eq!(rule_around("// rule\n", 1), None);
}
