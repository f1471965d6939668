//! Where pods are, by EndpointSlices. Knows no API.

use crate::roster::Place;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What a Service's slices say: all addresses at the port of that name. What has no address that is a number, or no such
/// port, does not count.
pub fn places<'s>(
    slices: impl IntoIterator<Item = &'s EndpointSlice>,
    port_name: &str,
) -> BTreeMap<SocketAddr, Place> {
    let mut places: BTreeMap<SocketAddr, Place> = BTreeMap::new();
    for slice in slices {
        let ports = slice.ports.iter().flatten();
        let mut named = ports.filter(|port| port.name.as_deref().unwrap_or_default() == port_name);
        let Some(port) = named.find_map(|port| u16::try_from(port.port?).ok()) else { continue };
        for endpoint in &slice.endpoints {
            let Some(ip) = endpoint.addresses.iter().find_map(|address| address.parse::<IpAddr>().ok())
            else {
                continue;
            };
            let place = place(endpoint, ip);
            // While endpoints move from slice to slice they are in two of them.
            places.entry((ip, port).into()).and_modify(|known| known.ready |= place.ready).or_insert(place);
        }
    }
    places
}

fn place(endpoint: &Endpoint, ip: IpAddr) -> Place {
    let pod = endpoint.target_ref.as_ref().and_then(|pod| pod.name.clone());
    // Nothing said means ready, by the API's own words.
    let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
    Place { pod: pod.unwrap_or_else(|| ip.to_string()), ready }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(value: &serde_json::Value) -> EndpointSlice {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn pods_are_where_slices_say_at_the_port_of_the_name() {
        let one = slice(&json!({
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "a"}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.3"]},
                {"addresses": ["name.test"], "conditions": {"ready": true}},
            ],
            "ports": [{"name": "icap", "port": 1344}, {"name": "fleet", "port": 7345}],
        }));
        let other = slice(&json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.2"], "conditions": {"ready": true}}],
            "ports": [{"name": "fleet", "port": 7345}],
        }));
        let odd = slice(&json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.9"]}],
            "ports": [{"name": "fleet"}, {"name": "fleet", "port": 70000}],
        }));
        let found = places([&one, &other, &odd], "fleet");
        let shown: Vec<_> =
            found.iter().map(|(at, place)| format!("{at} {} {}", place.pod, place.ready)).collect();
        assert_eq!(
            shown,
            ["10.0.0.1:7345 a true", "10.0.0.2:7345 10.0.0.2 true", "10.0.0.3:7345 10.0.0.3 true"]
        );
        assert!(places([&one], "").is_empty());
    }
}
