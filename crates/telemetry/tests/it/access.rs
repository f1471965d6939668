//! The access log in a file.

use icapstan_telemetry::{
    AccessLog, AccessRecord, AccessTarget, AccessUrl, LogFormat, Registry, register_log_metrics,
};
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

const THREADS: u64 = 4;
const EACH: u64 = 500;

fn record(transaction: u64) -> AccessRecord {
    AccessRecord {
        trace: None,
        time: SystemTime::now(),
        transaction,
        peer: "127.0.0.1:50000".parse().unwrap(),
        peer_certificate: "".into(),
        peer_user: "".into(),
        client: None,
        method: "REQMOD",
        service: "reqmod".into(),
        status: 204,
        verdict: "clean",
        reason: "",
        action: "pass",
        cache: "",
        received: 10,
        sent: 20,
        duration: Duration::from_millis(3),
        url: Some(AccessUrl::of("http://o.test/x?secret")),
    }
}

#[test]
fn each_record_of_many_threads_is_one_line_when_the_guard_is_gone() {
    let registry = Registry::new();
    register_log_metrics(&registry).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let (log, guard) = AccessLog::start(&AccessTarget::File(path.clone()), LogFormat::Json).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = log.clone();
            scope.spawn(move || (0..EACH).for_each(|number| log.write(record(thread * EACH + number))));
        }
    });
    drop(guard);
    let text = std::fs::read_to_string(&path).unwrap();
    let transactions: HashSet<String> = text
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&value["status"], &value["url"]), (&204.into(), &"http://o.test/x".into()));
            value["transaction"].as_str().unwrap().to_owned()
        })
        .collect();
    // 2,000 find room whatever the writer does, so none may be missing.
    assert_eq!(transactions, (0..THREADS * EACH).map(|number| format!("{number:016x}")).collect());
    let dropped = registry.gather();
    let name = "icapstan_access_log_lines_dropped_total";
    let family = dropped.iter().find(|family| family.name() == name).unwrap();
    assert!(family.get_metric()[0].get_counter().get_value().abs() < f64::EPSILON);
}
