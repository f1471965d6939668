use super::*;
use crate::fleet::Sums;

fn read(pairs: &[(&str, &str)]) -> Result<Wish, InvalidWish> {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Wish::read(&pairs.collect())
}

fn figures() -> Figures {
    let sums = Sums { jobs: 10, bytes: 5000, backlog: 20.0, waiting: 15.0, workers: 12, busy: 7 };
    Figures { scanners: [3, 0, 0, 0, 0], sums, workers_each: Some(4.0), trouble: None }
}

#[test]
fn without_any_word_seven_tenths_of_the_workers_should_be_busy() {
    let wish = read(&[("scalerAddress", "scaler:7346"), ("enableTLS", "true")]).unwrap();
    assert_eq!(wish.metric, Metric::Saturation);
    assert!((wish.target(&figures()).unwrap() - 2.8).abs() < 1e-9);
    assert!((wish.metric.value(&figures()) - 10.0).abs() < 1e-9);
    assert!(wish.is_always_active() && wish.is_active(&figures()));
    assert_eq!(wish.target(&Figures { workers_each: None, ..figures() }), None);
    let half = read(&[("utilization", " 0.5 ")]).unwrap();
    assert_eq!(half.target(&figures()), Some(2.0));
}

#[test]
fn each_metric_has_its_value_and_the_target_that_was_given() {
    for (word, value) in
        [("saturation", 10.0), ("backlogJobs", 10.0), ("backlogBytes", 5000.0), ("backlogSeconds", 20.0)]
    {
        let wish = read(&[("metric", word), ("target", "2.5")]).unwrap();
        assert_eq!(wish.metric.as_str(), word);
        assert!((wish.metric.value(&figures()) - value).abs() < 1e-9, "{word}");
        assert_eq!(wish.target(&Figures { workers_each: None, ..figures() }), Some(2.5));
        let named = Metric::of_name(wish.metric.name(), Metric::Jobs).unwrap();
        assert_eq!(named, wish.metric);
        // As the API of Kubernetes has names, since it takes them for parts of paths.
        assert!(named.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    }
    assert_eq!(Metric::of_name("", Metric::Bytes), Ok(Metric::Bytes));
}

#[test]
fn activation_is_a_bound_that_has_to_be_exceeded() {
    for (least, is_active) in [("0", true), ("9.9", true), ("10", false)] {
        let wish = read(&[("metric", "backlogJobs"), ("target", "1"), ("activation", least)]).unwrap();
        assert!(!wish.is_always_active());
        assert_eq!(wish.is_active(&figures()), is_active, "{least}");
    }
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let wrong: &[(&[(&str, &str)], &str)] = &[
        (&[("metric", "cpu")], "metadata.metric: \"cpu\" is not one of saturation, backlogJobs"),
        (&[("metric", "Saturation")], "metadata.metric: \"Saturation\" is not one of"),
        (
            &[("metric", "backlogJobs")],
            "metadata.target: is missing: what each replica should have of backlogJobs",
        ),
        (&[("target", "0")], "metadata.target: \"0\" is not a number of at least 0.001"),
        (&[("target", "-1")], "metadata.target: \"-1\" is not a number"),
        (&[("target", "NaN")], "metadata.target: \"NaN\" is not a number"),
        (&[("target", "inf")], "metadata.target: \"inf\" is not a number"),
        (&[("target", "4 jobs")], "metadata.target: \"4 jobs\" is not a number"),
        (&[("utilization", "1.1")], "metadata.utilization: \"1.1\" is not a number from 0.1 to 1"),
        (&[("utilization", "70%")], "metadata.utilization: \"70%\" is not a number from 0.1 to 1"),
        (&[("utilization", "0.5"), ("target", "1")], "metadata.utilization: goes only with"),
        (&[("activation", "-0.5")], "metadata.activation: \"-0.5\" is not a number of at least 0"),
    ];
    for (metadata, said) in wrong {
        let error = read(metadata).unwrap_err().to_string();
        assert!(error.starts_with(said), "{metadata:?}: {error}");
    }
    let long = read(&[("metric", &"x".repeat(10_000))]).unwrap_err().to_string();
    assert!(long.len() < 200);
    let error = Metric::of_name("s0-cpu", Metric::Jobs).unwrap_err().to_string();
    assert_eq!(error, "there is no metric \"s0-cpu\"; see GetMetricSpec");
}
