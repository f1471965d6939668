use super::*;

fn wanted(text: &str) -> Wanted {
    let config = Config::parse(text, "test").unwrap();
    let services = config.services.into_iter().enumerate();
    Wanted {
        services: services.map(|(index, service)| (format!("service-{index}"), service)).collect(),
        policies: config.policies,
        base: Config::default(),
    }
}

const TWO: &str =
    "services: [{path: /b, policy: strict}, {path: /a}]\npolicies: [{name: strict, failOpen: true}]";

fn broken(name: &str) -> ScanPolicy {
    let mut policy = ScanPolicy::new(name);
    policy.scan.max_depth = 0;
    policy.scan.timeout = std::time::Duration::ZERO;
    policy
}

#[test]
fn equal_wishes_come_to_equal_bytes_in_whatever_order_they_were_written() {
    let one = wanted(TWO).assemble(None).unwrap();
    let mut other = wanted(TWO);
    other.services.reverse();
    other.policies.reverse();
    let other = other.assemble(None).unwrap();
    assert_eq!((one.digest, &one.bases), (other.digest, &other.bases));
    assert_eq!(
        one.bundle.services.iter().map(|service| service.path.as_str()).collect::<Vec<_>>(),
        ["/a", "/b"]
    );
    assert!(one.services.values().chain(one.policies.values()).all(Outcome::is_accepted));
    assert_eq!(SettingsBundle::read(&one.bytes).unwrap(), one.bundle);
}

#[test]
fn a_policy_that_cannot_be_used_says_why_and_leaves_the_last_good_one_in_use() {
    let last = wanted(TWO).assemble(None).unwrap();
    let mut wish = wanted(TWO);
    *wish.policies.iter_mut().find(|policy| policy.name == "strict").unwrap() = broken("strict");
    let now = wish.assemble(Some(&last.bundle)).unwrap();
    assert_eq!((now.digest, &now.bases), (last.digest, &last.bases));
    let Outcome::Invalid { message, kept: true } = &now.policies["strict"] else { panic!("{now:?}") };
    assert!(message.contains("spec.scan.timeout"), "{message}");
    let first = wish.assemble(None).unwrap();
    assert!(!first.policies["strict"].is_used());
    let Outcome::Unresolved { kept: false, message } = &first.services["service-0"] else {
        panic!("{first:?}")
    };
    assert!(message.contains("\"strict\""), "{message}");
    assert_eq!(first.bundle.services.len(), 1, "the other one is served");
}

#[test]
fn a_policy_that_is_removed_while_it_is_used_stays_in_use_and_is_missed() {
    let last = wanted(TWO).assemble(None).unwrap();
    let mut wish = wanted(TWO);
    wish.policies.retain(|policy| policy.name != "strict");
    let now = wish.assemble(Some(&last.bundle)).unwrap();
    assert_eq!(now.digest, last.digest);
    assert!(matches!(now.services["service-0"], Outcome::Unresolved { kept: true, .. }));
}

#[test]
fn of_two_that_want_one_path_the_older_has_it() {
    let mut wish = wanted("services: [{path: /a}, {path: /b}]");
    wish.services[1].1.aliases = vec!["/a".to_owned()];
    let now = wish.assemble(None).unwrap();
    let Outcome::Conflicted { message } = &now.services["service-1"] else { panic!("{now:?}") };
    assert!(message.contains("/a") && message.contains("service-0"), "{message}");
    assert_eq!(now.bundle.services.len(), 1);
}

#[test]
fn what_decides_nothing_changes_no_basis_and_what_does_only_those_that_it_is_for() {
    let last = wanted(TWO).assemble(None).unwrap();
    let mut wish = wanted(TWO);
    wish.services[0].1.options_ttl = std::time::Duration::from_secs(77);
    let cosmetic = wish.assemble(Some(&last.bundle)).unwrap();
    assert_ne!(cosmetic.digest, last.digest);
    assert_eq!(cosmetic.bases, last.bases);
    wish.policies.iter_mut().find(|policy| policy.name == "strict").unwrap().fail_open = false;
    let strict = wish.assemble(Some(&last.bundle)).unwrap();
    assert_eq!(strict.bases["a"], last.bases["a"]);
    assert_ne!(strict.bases["b"], last.bases["b"]);
    wish.policies.push(ScanPolicy::new("unused"));
    assert_eq!(wish.assemble(None).unwrap().digest, strict.digest);
}

#[test]
fn there_are_no_more_objects_than_a_fleet_may_have() {
    let policies = (0..MAX_OBJECTS + 3).map(|number| ScanPolicy::new(&format!("p{number}"))).collect();
    let now = Wanted { policies, ..Wanted::default() }.assemble(None).unwrap();
    let refused = now.policies.values().filter(|outcome| matches!(outcome, Outcome::Conflicted { .. }));
    assert_eq!(refused.count(), 3);
}
