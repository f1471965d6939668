//! A scanner has what its plan says, each verdict is of the revision that was asked for, and what is no good is told and
//! takes nothing away.

mod rig;

use icapstan_api::fleet::{Artifact, Mirror, PlannedRevision, SelfTest};
use icapstan_proto::fleet::Failure;
use icapstan_testkit::{clean_text, eicar, eventually, hex};
use rig::Rig;

/// A text that only some revisions know.
const BAD: &[u8] = b"this is what one revision calls bad and another one does not";

/// A database that finds EICAR and, if it has a name for it, what is bad.
fn database(name: Option<&str>) -> String {
    let bad = name.map(|name| format!("{name}:0:*:{}\n", hex(BAD))).unwrap_or_default();
    format!("Test.Eicar:0:*:{}\n{bad}", hex(&eicar()))
}

#[test]
fn two_revisions_are_held_at_once_and_each_verdict_is_of_the_one_that_is_asked_for() {
    let rig = Rig::new("");
    let scanner = rig.scanner();
    eventually("it says that there is no plan", || {
        scanner.member.readyz().contains("there is no plan").then_some(())
    });
    let (one, two) = (rig.revision(&database(Some("One"))), rig.revision(&database(Some("Two"))));
    let plan = rig.plan(&[&one, &two], None);
    scanner.member.until_ready();
    scanner.follows(plan);
    for revision in [&one, &two] {
        assert_eq!(scanner.ends(revision), Ok(()));
    }
    let told = [one.digest.0.to_vec(), two.digest.0.to_vec()];
    eventually("it tells what it holds", || (scanner.held() == told).then_some(()));
    for _ in 0..3 {
        for (revision, name) in [(&one, "One.UNOFFICIAL"), (&two, "Two.UNOFFICIAL")] {
            assert_eq!(scanner.threat(BAD, revision).as_deref(), Some(name));
        }
    }
    // The other one is what is judged by from now on, and the first one goes.
    let plan = rig.plan(&[&two], None);
    scanner.follows(plan);
    let told = [two.digest.0.to_vec()];
    eventually("it holds nothing else", || (scanner.held() == told).then_some(()));
    assert_eq!(scanner.threat(BAD, &two).as_deref(), Some("Two.UNOFFICIAL"));
    assert!(scanner.member.metric("icapstan_plan_generation", "") > 1.5);
    assert!((scanner.member.metric("icapstan_plan_revisions", "stage=\"serving\"") - 1.0).abs() < 0.1);
}

#[test]
fn a_revision_that_is_no_good_says_why_and_takes_nothing_away() {
    let rig = Rig::new("");
    let good = rig.revision(&database(Some("One")));
    let scanner = rig.scanner();
    let clean = clean_text(2000);
    let sample = rig.artifact(&clean);
    let missed = SelfTest { must_detect: vec![sample], ..SelfTest::default() };
    let invented = SelfTest { must_pass: vec![rig.artifact(BAD)], ..SelfTest::default() };
    let mut cut = rig.revision("Cut:0:*:00112233445566778899\n");
    cut.files[0].size += 1;
    let cut = PlannedRevision::of(cut.files, SelfTest::default());
    let cases = [
        (rig.revision("this is no database\n"), Failure::Load, ""),
        (rig.revision(&format!("Blind:0:*:{}\n", hex(BAD))), Failure::Missed, "the EICAR test file"),
        (rig.tested(&database(None), missed), Failure::Missed, &sample.digest.to_string()),
        (
            rig.tested(&database(Some("Two")), invented),
            Failure::FalsePositive,
            "Two.UNOFFICIAL is found in sha256:",
        ),
        (cut, Failure::Digest, ""),
    ];
    for (revision, failure, text) in &cases {
        let plan = rig.plan(&[&good, revision], None);
        scanner.follows(plan);
        let (told, detail) = scanner.ends(revision).expect_err("it is no good");
        assert_eq!((told, detail.contains(text)), (*failure, true), "{detail}");
        assert_eq!(scanner.ends(&good), Ok(()));
        assert_eq!(scanner.held(), [good.digest.0.to_vec()]);
        assert_eq!(scanner.threat(BAD, &good).as_deref(), Some("One.UNOFFICIAL"));
        assert_eq!(scanner.member.admin_get("/readyz").map(|response| response.status), Some(200));
    }
    assert!(scanner.member.metric("icapstan_plan_revision_failures_total", "failure=\"missed\"") > 1.5);
    // Nothing of it is left when something good comes.
    let other = rig.revision(&database(Some("Three")));
    scanner.follows(rig.plan(&[&good, &other], None));
    assert_eq!(scanner.ends(&other), Ok(()));
    assert_eq!(scanner.threat(BAD, &other).as_deref(), Some("Three.UNOFFICIAL"));
}

#[test]
fn without_the_memory_for_another_revision_the_first_one_goes_on() {
    let rig = Rig::new("fleet: {memoryReserve: 1Ti}\n");
    let (one, two) = (rig.revision(&database(Some("One"))), rig.revision(&database(Some("Two"))));
    let scanner = rig.scanner();
    rig.plan(&[&one, &two], None);
    let (failure, detail) = scanner.ends(&two).expect_err("there is no machine with so much");
    assert_eq!(failure, Failure::Memory, "{detail}");
    assert_eq!(scanner.threat(BAD, &one).as_deref(), Some("One.UNOFFICIAL"));
    // In its place there is room for it.
    rig.plan(&[&two], None);
    assert_eq!(scanner.threat(BAD, &two).as_deref(), Some("Two.UNOFFICIAL"));
}

#[test]
fn a_scanner_starts_from_its_disk_when_nobody_can_be_asked() {
    let rig = Rig::new("");
    let (one, two) = (rig.revision(&database(Some("One"))), PlannedRevision::built_in());
    let mut scanner = rig.scanner();
    let plan = rig.plan(&[&one, &two], None);
    for revision in [&one, &two] {
        assert_eq!(scanner.ends(revision), Ok(()));
    }
    assert!(scanner.threat(&eicar(), &two).is_some(), "the built-in test signatures");
    scanner.member.terminate();
    assert!(scanner.member.wait_exit().success());
    drop(scanner);
    rig.remove_plan();
    let scanner = rig.scanner();
    scanner.follows(plan);
    assert_eq!(scanner.threat(BAD, &one).as_deref(), Some("One.UNOFFICIAL"));
    scanner.member.until_ready();
    assert!(
        scanner.member.readyz().contains("the plan is gone")
            || scanner.member.readyz().contains("there is no plan")
    );
}

#[test]
fn scans_that_are_made_a_second_time_show_what_a_candidate_finds_and_decide_nothing() {
    let rig = Rig::new("");
    let (one, two) = (rig.revision(&database(None)), rig.revision(&database(Some("Two"))));
    let scanner = rig.scanner();
    rig.plan(&[&one, &two], Some(Mirror { revision: two.digest, percent: 100 }));
    for revision in [&one, &two] {
        assert_eq!(scanner.ends(revision), Ok(()));
    }
    let shown = eventually("a difference is seen", || {
        assert_eq!(scanner.threat(BAD, &one), None, "the candidate decides nothing");
        scanner.mirrored().filter(|mirrored| mirrored.newly_detected > 0)
    });
    assert_eq!(shown.digest, two.digest.0);
    assert!(shown.compared >= shown.newly_detected && shown.newly_clean == 0, "{shown:?}");
    let difference = &shown.differences[0];
    let Artifact { digest, .. } = rig.artifact(BAD);
    assert_eq!((&difference.sha256[..], difference.verdict.as_str()), (&digest.0[..], "clean"));
    assert!(difference.candidate_verdict.contains("Two.UNOFFICIAL"), "{difference:?}");
}
