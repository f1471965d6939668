//! Kubernetes-native ICAP antivirus and URL-scanning service.
fn main() {}
