//! The types of bodies that policies name.

use icapstan_api::{MediaRange, Problem, ScanPolicy, When};

/// Whether any condition is about them.
pub(crate) fn is_asked_for(source: &ScanPolicy) -> bool {
    conditions(source).any(|(_, when)| !when.types.is_empty())
}

/// Types that no body is ever told to be of.
pub(crate) fn unknown(source: &ScanPolicy) -> Vec<Problem> {
    let in_conditions = conditions(source).flat_map(|(path, when)| {
        let types = when.types.iter().enumerate();
        types.map(move |(index, range)| (format!("{path}.when.types[{index}]"), range))
    });
    let in_tests = source.tests.iter().enumerate().filter_map(|(index, test)| {
        Some((format!("tests[{index}].given.type"), test.given.media_type.as_ref()?))
    });
    in_conditions
        .chain(in_tests)
        .filter(|(_, range)| !is_told(range))
        .map(|(path, range)| {
            let meant = icapstan_sniff::also_called(range.as_str());
            let hint = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
            Problem::new(path, format!("\"{range}\" is nothing that is told by first bytes{hint}"))
        })
        .collect()
}

fn is_told(range: &MediaRange) -> bool {
    match range.exact() {
        Some(media_type) => icapstan_sniff::is_known(media_type),
        None => icapstan_sniff::known_types().iter().any(|known| range.includes(known)),
    }
}

/// All conditions, each with the path of what it belongs to.
fn conditions(source: &ScanPolicy) -> impl Iterator<Item = (String, &When)> {
    let skips = source.skip.iter().enumerate().map(|(index, skip)| (format!("skip[{index}]"), &skip.when));
    let rules = source.rules.iter().enumerate().map(|(index, rule)| (format!("rules[{index}]"), &rule.when));
    skips.chain(rules)
}

#[cfg(test)]
mod tests {
    use crate::Policy;
    use icapstan_api::Config;

    fn problems(policy: &str) -> Vec<String> {
        let config = Config::parse(&format!("policies: [{{name: default, {policy}}}]"), "x").unwrap();
        let error = Policy::compile(&config.policies[0]).err();
        error.map(|error| error.problems.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }

    #[test]
    fn types_that_nothing_is_told_to_be_are_refused() {
        assert!(
            problems("rules: [{verdict: ANY, when: {types: ['image/*', text/html, '*/*']}, action: log}]")
                .is_empty()
        );
        let wrong = "rules: [{verdict: ANY, when: {types: [image/png, image/jpg, 'chemical/*']}, action: log}], \
                     tests: [{name: a, given: {type: text/css}, expect: {action: none}}]";
        assert_eq!(
            problems(wrong),
            [
                "rules[0].when.types[1]: \"image/jpg\" is nothing that is told by first bytes; did you mean \"image/jpeg\"?",
                "rules[0].when.types[2]: \"chemical/*\" is nothing that is told by first bytes",
                "tests[0].given.type: \"text/css\" is nothing that is told by first bytes; did you mean \"text/plain\"?",
            ]
        );
    }

    #[test]
    fn a_rule_by_type_is_told_from_others() {
        let rules =
            "rules: [{name: pictures, verdict: CLEAN, when: {types: ['image/*']}, action: {block: refused}}]";
        let tests = "tests: [
            {name: a, given: {type: image/png}, expect: {action: block, rule: pictures}},
            {name: b, given: {type: text/html}, expect: {action: none, rule: default}},
            {name: c, given: {}, expect: {action: none}}]";
        assert!(problems(&format!("{rules}, {tests}")).is_empty());
    }
}
