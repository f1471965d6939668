use icapstan_operator::{Candidate, LeaseSettings, Standing};
use icapstan_testkit::kube::{Cluster, FaultProxy, Namespace, until};
use icapstan_testkit::skipped;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use std::time::{Duration, Instant};

const NAME: &str = "icapstan-operator";

async fn namespace() -> Option<Namespace> {
    if skipped("kube") { None } else { Some(Cluster::get().await.namespace("lease").await) }
}

fn candidate(namespace: &Namespace, client: Client, identity: &str) -> Candidate {
    Candidate::start(client, LeaseSettings::new(namespace.name(), NAME, identity))
}

/// A second in place of each five.
fn quick(namespace: &Namespace, client: Client, identity: &str) -> Candidate {
    let settings = LeaseSettings {
        duration: Duration::from_secs(3),
        renew_deadline: Duration::from_secs(2),
        retry: Duration::from_millis(400),
        ..LeaseSettings::new(namespace.name(), NAME, identity)
    };
    Candidate::start(client, settings)
}

fn leads(candidate: &Candidate) -> Option<u64> {
    candidate.standing().borrow().leads_for(Duration::ZERO)
}

async fn lease(client: Client, namespace: &Namespace) -> Lease {
    Api::namespaced(client, namespace.name()).get(NAME).await.expect("there is a Lease")
}

#[tokio::test]
async fn another_operator_leads_within_twenty_seconds_of_a_death() {
    let Some(namespace) = namespace().await else { return };
    let client = namespace.client();
    let first = candidate(&namespace, client.clone(), "a");
    let term = until("a leads", async || leads(&first)).await;
    let second = candidate(&namespace, client.clone(), "b");
    until("b knows it", async || {
        let is_a = Standing::Following { leader: Some("a".to_owned()) };
        (*second.standing().borrow() == is_a).then_some(())
    })
    .await;
    // Without a word, as a process that is killed.
    drop(first);
    let begun = Instant::now();
    let next = until("b leads", async || leads(&second)).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(next > term, "{next} comes after {term}");
    let spec = lease(client, &namespace).await.spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some("b"));
    assert_eq!(u64::try_from(spec.lease_transitions.unwrap()).unwrap(), next);
}

#[tokio::test]
async fn another_operator_leads_within_three_seconds_of_a_polite_stop() {
    let Some(namespace) = namespace().await else { return };
    let client = namespace.client();
    let first = candidate(&namespace, client.clone(), "a");
    until("a leads", async || leads(&first)).await;
    let second = candidate(&namespace, client.clone(), "b");
    let standing = first.standing();
    let begun = Instant::now();
    first.release().await;
    assert_eq!(standing.borrow().leads_for(Duration::ZERO), None);
    until("b leads", async || leads(&second)).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    second.release().await;
    assert_eq!(lease(client, &namespace).await.spec.unwrap().holder_identity.as_deref(), Some(""));
}

#[tokio::test]
async fn who_is_cut_off_stops_before_another_one_begins() {
    let Some(namespace) = namespace().await else { return };
    let proxy = FaultProxy::before(namespace.cluster());
    let first = quick(&namespace, proxy.client(namespace.kubeconfig()).await, "a");
    until("a leads", async || leads(&first)).await;
    let second = quick(&namespace, namespace.client(), "b");
    until("b knows it", async || {
        matches!(&*second.standing().borrow(), Standing::Following { leader: Some(_) }).then_some(())
    })
    .await;
    proxy.fall_silent();
    // At no moment do both of them lead.
    let mut has_stopped = None;
    until("b leads", async || {
        let (a, b) = (leads(&first), leads(&second));
        assert!(a.is_none() || b.is_none(), "both lead: {a:?} and {b:?}");
        if a.is_none() {
            has_stopped.get_or_insert_with(Instant::now);
        }
        b.map(drop)
    })
    .await;
    let spare = has_stopped.expect("it has stopped").elapsed();
    assert!(spare > Duration::from_millis(500), "it stopped only {spare:?} before");
}

#[tokio::test]
async fn of_many_that_begin_at_once_one_leads() {
    let Some(namespace) = namespace().await else { return };
    let all: Vec<_> =
        (0..8).map(|number| quick(&namespace, namespace.client(), &number.to_string())).collect();
    until("one leads", async || all.iter().find_map(leads)).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        assert_eq!(all.iter().filter_map(leads).count(), 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
