//! Processes of a test are endpoints of a Service, as pods would be.

use super::namespace;
use icapstan_testkit::kube::{EndpointKeeper, Pod, until};
use icapstan_testkit::{Origin, Reply, free_port};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use std::net::{Ipv4Addr, SocketAddr};

#[tokio::test]
async fn who_is_ready_is_an_endpoint_and_who_is_not_says_so() {
    let Some(namespace) = namespace("endpoints").await else { return };
    let api: Api<EndpointSlice> = Api::default_namespaced(namespace.client());
    let (first, second) = (Origin::start(), Origin::start());
    let ok = || Reply::bytes("ok");
    let away = || ok().status("503 Service Unavailable");
    let keeper = EndpointKeeper::start(&namespace);
    keeper.keep(pod("scanner-0", &first.put("/readyz", away())));
    keeper.keep(pod("scanner-1", &second.put("/readyz", ok())));
    until("one of two is ready", async || {
        (states(&api).await? == [("scanner-0".to_owned(), [false; 3]), ready("scanner-1")]).then_some(())
    })
    .await;

    first.put("/readyz", ok());
    until("both are", async || {
        (states(&api).await? == [ready("scanner-0"), ready("scanner-1")]).then_some(())
    })
    .await;

    second.put("/readyz", away());
    keeper.terminate("scanner-0");
    until("one is not, and one is going", async || {
        let wanted =
            [("scanner-0".to_owned(), [false, true, true]), ("scanner-1".to_owned(), [false, false, false])];
        (states(&api).await? == wanted).then_some(())
    })
    .await;

    keeper.remove("scanner-1");
    let left = states(&api).await.expect("they can be listed");
    assert_eq!(left, [("scanner-0".to_owned(), [false, true, true])]);
}

#[tokio::test]
async fn endpoints_have_the_names_and_ports_of_their_pods() {
    let Some(namespace) = namespace("endpoints").await else { return };
    let api: Api<EndpointSlice> = Api::default_namespaced(namespace.client());
    let keeper = EndpointKeeper::start(&namespace);
    let mut pod = pod("scanner-0", "http://127.0.0.1:1/readyz");
    pod.ports.push(("artifacts".to_owned(), free_port()));
    keeper.keep(pod.clone());
    let slice = until("there is a slice", async || {
        let selected = ListParams::default().labels("kubernetes.io/service-name=scanner");
        api.list(&selected).await.ok()?.items.pop()
    })
    .await;
    let endpoint = &slice.endpoints[0];
    let conditions = endpoint.conditions.as_ref().expect("it has conditions");
    assert_eq!(conditions.ready, Some(false), "nobody listens there");
    assert_eq!(endpoint.addresses, ["127.0.0.1"]);
    let target = endpoint.target_ref.as_ref().expect("it is a pod's");
    assert_eq!((target.kind.as_deref(), target.name.as_deref()), (Some("Pod"), Some("scanner-0")));
    assert_eq!(target.namespace.as_deref(), Some(namespace.name()));
    let ports = slice.ports.into_iter().flatten().map(|port| (port.name, port.port));
    let wanted = pod.ports.iter().map(|(name, number)| (Some(name.clone()), Some(i32::from(*number))));
    assert_eq!(ports.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

/// The names of all pods, and whether they are ready, serving and terminating.
async fn states(api: &Api<EndpointSlice>) -> Option<Vec<(String, [bool; 3])>> {
    let slices = api.list(&ListParams::default()).await.ok()?;
    let endpoints = slices.items.into_iter().flat_map(|slice| slice.endpoints);
    let mut states: Vec<_> = endpoints
        .map(|endpoint| {
            let conditions = endpoint.conditions?;
            let states = [conditions.ready?, conditions.serving?, conditions.terminating?];
            Some((endpoint.target_ref?.name?, states))
        })
        .collect::<Option<_>>()?;
    states.sort();
    Some(states)
}

fn ready(name: &str) -> (String, [bool; 3]) {
    (name.to_owned(), [true, true, false])
}

fn pod(name: &str, readyz: &str) -> Pod {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    Pod::new("scanner", name, "scan", address, readyz)
}
