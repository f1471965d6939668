//! The rules file.

use crate::{icap, imported, notes_on, severity_on};
use icapstan_api::{Rule, RuleAction, RuleMode, RuleVerdict, Template};
use icapstan_kse::{Imported, Severity};

fn from(rules: &str) -> Imported {
    imported(&icap(""), Some(rules))
}

fn rules(imported: &Imported) -> Vec<(RuleMode, RuleVerdict, RuleAction)> {
    let plain = |rule: &Rule| (rule.mode, rule.verdict, rule.action.clone());
    imported.config.policies[0].rules.iter().map(plain).collect()
}

#[test]
fn each_line_becomes_a_rule_with_the_page_that_tells_the_truth() {
    use RuleVerdict::{Clean, Detect, Failed, Macro, NonScanned, Phishing};
    let block = RuleAction::Block;
    for (line, wanted) in [
        ("REQ DETECT SET_RESP=detect_req", (RuleMode::Req, Detect, block(Template::Detected))),
        ("RESP DETECTED SET_RESP=detect_resp", (RuleMode::Resp, Detect, block(Template::Detected))),
        ("any phishing set_resp=detect_res", (RuleMode::Any, Phishing, block(Template::Detected))),
        ("ANY PHISHING SET_RESP=ours", (RuleMode::Any, Phishing, block(Template::Phishing))),
        ("REQ MACRO SET_RESP=macro_req", (RuleMode::Req, Macro, block(Template::Detected))),
        ("ANY FAILED SET_RESP=err_resp", (RuleMode::Any, Failed, block(Template::Failed))),
        ("ANY NON_SCANNED SET_RESP=detect_res", (RuleMode::Any, NonScanned, block(Template::NotScanned))),
        ("REQ CLEAN", (RuleMode::Req, Clean, RuleAction::None)),
        ("RESP FAILED NONE", (RuleMode::Resp, Failed, RuleAction::None)),
    ] {
        assert_eq!(rules(&from(line)), [wanted], "{line}");
    }
}

#[test]
fn what_an_earlier_rule_leaves_to_one_way_is_all_that_is_written() {
    let imported = from("REQ FAILED\nANY FAILED SET_RESP=a EXEC_CMD=/opt/b");
    let wanted = [
        (RuleMode::Req, RuleVerdict::Failed, RuleAction::None),
        (RuleMode::Resp, RuleVerdict::Failed, RuleAction::Block(Template::Failed)),
    ];
    assert_eq!(rules(&imported), wanted);
}

#[test]
fn pages_that_say_the_same_need_no_word_and_others_do() {
    for (line, severity) in [
        ("REQ DETECT SET_RESP=detect_req", None),
        ("RESP MACRO SET_RESP=macro_resp", None),
        ("RESP DETECT SET_RESP=/templates/detect_res.html", None),
        ("RESP DETECT SET_RESP=company_page", Some(Severity::Approximated)),
        ("RESP FAILED SET_RESP=detect_res", Some(Severity::Approximated)),
        ("RESP DETECT SET_RESP=macro_resp", Some(Severity::Approximated)),
    ] {
        assert_eq!(severity_on(&from(line), "rules:1"), severity, "{line}");
    }
}

#[test]
fn a_page_for_any_result_is_one_rule_for_each_but_clean() {
    let imported = from("ANY Any SET_RESP=detect_res");
    let blocked: Vec<_> =
        rules(&imported).into_iter().map(|(_, verdict, action)| (verdict, action)).collect();
    assert_eq!(
        blocked,
        [
            (RuleVerdict::Detect, RuleAction::Block(Template::Detected)),
            (RuleVerdict::Phishing, RuleAction::Block(Template::Detected)),
            (RuleVerdict::Macro, RuleAction::Block(Template::Detected)),
            (RuleVerdict::Failed, RuleAction::Block(Template::Failed)),
            (RuleVerdict::NonScanned, RuleAction::Block(Template::NotScanned)),
        ]
    );
    assert_eq!(severity_on(&imported, "rules:1"), Some(Severity::Approximated));
}

#[test]
fn scripts_are_named_and_never_let_anything_pass() {
    let imported = from(
        "REQ FAILED EXEC_CMD=admin_notify\nREQ FAILED SET_RESP=err\nRESP DETECT SET_RESP=detect_res EXEC_CMD=send_syslog",
    );
    let kept = rules(&imported);
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|(_, _, action)| matches!(action, RuleAction::Block(_))));
    for (line, script, severity) in
        [("rules:1", "admin_notify", Severity::Dropped), ("rules:3", "send_syslog", Severity::Approximated)]
    {
        let notes = notes_on(&imported, line);
        assert!(
            notes.iter().any(|note| note.severity == severity && note.message.contains(script)),
            "{notes:?}"
        );
    }
}

/// Rules in one line each, with what they call.
fn shown(imported: &Imported) -> Vec<String> {
    let calls = |rule: &Rule| {
        let names = rule.hooks.iter().map(|hook| hook.exec.clone().unwrap_or_default());
        names.collect::<Vec<_>>().join("+")
    };
    let shown = |rule: &Rule| {
        let action = serde_yaml::to_string(&rule.action).unwrap().trim().replace(": ", "=");
        let reason = rule.reason.map(|word| format!("/{}", word.0)).unwrap_or_default();
        format!("{:?} {}{reason} {action} {}", rule.mode, rule.verdict.as_str(), calls(rule))
    };
    imported.config.policies[0].rules.iter().map(shown).collect()
}

fn with_scripts(rules: &str) -> Imported {
    imported(&icap("<CmdPath>/opt/scripts</CmdPath>"), Some(rules))
}

#[test]
fn scripts_are_hooks_of_the_rules_about_their_results() {
    let imported = with_scripts(
        "ANY DETECT SET_RESP=detect_res\nRESP DETECT EXEC_CMD=send_syslog\nREQ FAILED EXEC_CMD=/usr/bin/tell\n\
         ANY MACRO SET_RESP=macro_resp EXEC_CMD=send_syslog\nANY CLEAN EXEC_CMD=send_syslog",
    );
    assert_eq!(
        shown(&imported),
        [
            "Resp DETECT block=detected send_syslog",
            "Req DETECT block=detected ",
            "Any MACRO block=detected send_syslog",
            "Req FAILED block=failed tell",
            "Any CLEAN none send_syslog",
        ]
    );
    let hooks = &imported.config.hooks.exec;
    let commands: Vec<_> = hooks.iter().map(|hook| hook.command.to_str().unwrap()).collect();
    assert_eq!(commands, ["/opt/scripts/send_syslog", "/usr/bin/tell"]);
    for line in ["rules:2", "rules:3", "rules:4", "rules:5"] {
        let notes = notes_on(&imported, line);
        assert!(notes.iter().any(|note| note.message.contains("as JSON on standard input")), "{line}");
    }
    assert_eq!(severity_on(&imported, "ICAPSettings/CmdPath"), Some(Severity::Remark));
}

#[test]
fn a_rule_that_another_leaves_half_of_its_messages_keeps_that_half() {
    let imported = with_scripts("REQ NON_SCANNED SET_RESP=a EXEC_CMD=b\nANY NON_SCANNED");
    assert_eq!(shown(&imported), ["Req NON_SCANNED block=notScanned b", "Any NON_SCANNED none "]);
    imported.config.check().unwrap();
}

#[test]
fn a_script_alone_never_lets_anything_pass_that_is_blocked_by_default() {
    let imported = with_scripts("ANY ANY EXEC_CMD=tell");
    assert_eq!(
        shown(&imported),
        [
            "Any CLEAN none tell",
            "Any NON_SCANNED/depth block=notScanned tell",
            "Any NON_SCANNED/count block=notScanned tell",
            "Any NON_SCANNED/ratio block=notScanned tell",
            "Any NON_SCANNED/malformed block=notScanned tell",
            "Any NON_SCANNED log tell",
            "Any FAILED block=failed tell",
            "Any MACRO log tell",
            "Any PHISHING block=phishing tell",
            "Any DETECT block=detected tell",
        ]
    );
    let notes = notes_on(&imported, "rules");
    let said =
        |kind: &str| notes.iter().any(|note| note.value == kind && note.message.contains("only a script"));
    assert!(["DETECT", "PHISHING", "FAILED", "NON_SCANNED"].into_iter().all(said), "{notes:?}");
}

#[test]
fn scripts_that_cannot_be_hooks_are_named_with_their_cause() {
    for (script, cause) in [
        ("../tell", "leads elsewhere"),
        ("a/../../tell", "leads elsewhere"),
        ("\"tell me\"", "letters, digits"),
        ("/usr/bin/x$y", "letters, digits"),
    ] {
        let imported = with_scripts(&format!("REQ DETECT EXEC_CMD={script}"));
        assert!(imported.config.hooks.exec.is_empty() && rules(&imported).is_empty(), "{script}");
        let notes = notes_on(&imported, "rules:1");
        assert!(notes.iter().any(|note| note.message.contains(cause)), "{script}: {notes:?}");
    }
    let twice = with_scripts("REQ DETECT EXEC_CMD=tell\nREQ DETECT EXEC_CMD=/usr/bin/tell");
    assert_eq!(severity_on(&twice, "rules:2"), Some(Severity::Dropped));
    let many: Vec<_> = (0..20).map(|n| format!("REQ DETECT EXEC_CMD=tell{n}")).collect();
    let many = with_scripts(&many.join("\n"));
    assert_eq!(many.config.hooks.exec.len(), 16);
    assert_eq!(severity_on(&many, "rules:20"), Some(Severity::Dropped));
    assert_eq!(severity_on(&many, "rules:5"), Some(Severity::Dropped), "a rule has room for four");
}

#[test]
fn what_cannot_be_a_rule_is_left_out_with_its_line() {
    let text = "\u{feff}# made by hand\n\nREQ CLEAN SET_RESP=page\nANY ANY NONE\nREQ DETECT SET_RESP=detect_req\n\
                ANY DETECT SET_RESP=detect_res\nRESP DETECT NONE\nhello\nREQ INFECTED NONE\nREQ MACRO DROP\n";
    let imported = from(text);
    assert_eq!(rules(&imported).len(), 2, "{:?}", rules(&imported));
    for (line, severity) in [
        ("rules:3", Severity::Dropped),
        ("rules:4", Severity::Remark),
        ("rules:7", Severity::Dropped),
        ("rules:8", Severity::Dropped),
        ("rules:9", Severity::Dropped),
        ("rules:10", Severity::Dropped),
    ] {
        assert_eq!(severity_on(&imported, line), Some(severity), "{line}");
    }
    for line in ["rules:1", "rules:2", "rules:5", "rules:6"] {
        assert!(notes_on(&imported, line).is_empty(), "{line}");
    }
    assert!(notes_on(&imported, "rules:8")[0].to_string().contains("\"hello\""));
}

#[test]
fn results_without_a_rule_keep_icapstans_default_and_that_is_said() {
    let imported = from("REQ DETECT SET_RESP=detect_req\nANY FAILED NONE");
    let values: Vec<_> = notes_on(&imported, "rules")
        .into_iter()
        .filter(|note| note.severity == Severity::Approximated)
        .map(|note| note.value.as_str())
        .collect();
    assert_eq!(values, ["RESP DETECT", "ANY PHISHING", "ANY NON_SCANNED"]);
}

#[test]
fn the_rule_that_a_note_advises_can_be_written() {
    let imported = from("REQ DETECT SET_RESP=detect_req");
    for note in notes_on(&imported, "rules") {
        let Some(at) = note.message.find('{') else { continue };
        let yaml = format!("policies: [{{name: default, rules: [{}]}}]", &note.message[at..]);
        icapstan_api::Config::parse(&yaml, "advice").unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn given_rules_are_not_missed() {
    let xml = icap("<RulesFilePath>/rules.conf</RulesFilePath>");
    assert_eq!(severity_on(&imported(&xml, Some("REQ CLEAN")), "ICAPSettings/RulesFilePath"), None);
    assert_eq!(severity_on(&imported(&xml, None), "ICAPSettings/RulesFilePath"), Some(Severity::Dropped));
}
