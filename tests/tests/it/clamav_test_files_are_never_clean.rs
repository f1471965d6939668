//! ClamAV's own test files: one known program in every container and packer that ClamAV opens.

use icapstan_testkit::{IcapClient, Message, Standalone, need, skipped};

#[test]
fn clamav_test_files_are_infected_or_have_a_reason() {
    if skipped("clamav-testfiles") {
        return;
    }
    let folder = need("/usr/share/clamav-testfiles", "clamav-testfiles", "clamav-testfiles");
    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("it exists").flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(files.len() > 30, "the package has {} files only", files.len());
    let (mut infected, mut clean) = (0, Vec::new());
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let get = format!("GET http://o.test/{name} HTTP/1.1\r\nHost: o.test\r\n\r\n");
        let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n";
        let body = std::fs::read(path).expect("readable");
        icap.send(
            Message::respmod("/avscan").request_head(get).response_head(ok).allow_204().body(body).bytes(),
        );
        let response = icap.read_respmod();
        let reason = response.get("X-Icapstan-Reason");
        match response.get("X-Virus-ID") {
            Some(threat) => {
                assert!(
                    threat.contains("ClamAV-Test-File") || threat.to_lowercase().contains("test"),
                    "{name}: {threat}"
                );
                infected += 1;
            }
            None if reason.is_some() => println!("{name}: {}", reason.unwrap_or_default()),
            None => clean.push(name),
        }
    }
    assert!(clean.is_empty(), "called clean: {clean:?}");
    assert!(infected * 10 >= files.len() * 8, "only {infected} of {} were opened and detected", files.len());
}
