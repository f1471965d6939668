//! What is said there is done here.

use crate::{WHOLE, field, icap, imported, sdk};

/// Element, field, value as it is written.
#[track_caller]
fn assert_each(cases: &[(String, &str, &str)]) {
    for (xml, path, wanted) in cases {
        let text = imported(xml, None).to_yaml();
        assert_eq!(field(&text, path).as_deref(), Some(*wanted), "{path} of {xml}:\n{text}");
    }
}

#[test]
fn each_icap_setting_becomes_its_field() {
    assert_each(&[
        (icap("<Port>1345</Port>"), "listen", "0.0.0.0:1345"),
        (icap("<ReqModeAddress>up_1</ReqModeAddress>"), "services.0.path", "/up_1"),
        (icap("<RespModeAddress>down-1</RespModeAddress>"), "services.1.path", "/down-1"),
        (icap("<MaxIcapSessionsCount> 100 </MaxIcapSessionsCount>"), "limits.sessions", "100"),
        (icap("<MaxIcapSessionsCount>10000</MaxIcapSessionsCount>"), "limits.sessions", "10000"),
        (icap("<RAMUsageLimit>600</RAMUsageLimit>"), "limits.memory", "600Mi"),
        (icap("<ScanMaxFileSize>10343</ScanMaxFileSize>"), "policies.0.scan.maxObjectSize", "10343Ki"),
        (icap("<ScanMaxFileSize>0</ScanMaxFileSize>"), "policies.0.scan.maxObjectSize", "'2147483647'"),
        (icap("<ScanMaxFileSize>0</ScanMaxFileSize>"), "limits.memory", "4Gi"),
        (icap("<Allow204>1</Allow204>"), "services.0.allow204", "true"),
        (icap("<Allow204>0</Allow204>"), "services.1.allow204", "false"),
        (icap("<Allow204>maybe</Allow204>"), "services.0.allow204", "true"),
        (icap("<KeepAliveSettings><Enabled>0</Enabled></KeepAliveSettings>"), "keepAlive.enabled", "false"),
        (icap("<KeepAliveSettings Enabled='0'/>"), "keepAlive.enabled", "false"),
        (
            icap("<KeepAliveSettings><TimeoutMs>5000</TimeoutMs></KeepAliveSettings>"),
            "keepAlive.idleTimeout",
            "5s",
        ),
        (
            icap("<KeepAliveSettings><MaxRequests>1000</MaxRequests></KeepAliveSettings>"),
            "keepAlive.maxRequests",
            "1000",
        ),
        (icap(""), "policies.0.partial.enabled", "false"),
        (
            icap("<TransferBeforeScanEnding>0</TransferBeforeScanEnding>"),
            "policies.0.partial.enabled",
            "false",
        ),
        (
            icap("<TransferBeforeScanEnding>1</TransferBeforeScanEnding>"),
            "policies.0.partial.enabled",
            "true",
        ),
        (
            icap("<TransferBeforeScanEnding Delay='30'>1</TransferBeforeScanEnding>"),
            "policies.0.partial.delay",
            "30s",
        ),
        (
            icap("<TransferBeforeScanEnding ChunkSize='8'>1</TransferBeforeScanEnding>"),
            "policies.0.partial.chunkSize",
            "8Ki",
        ),
        (
            icap("<TransferBeforeScanEnding ChunkSize='9999'>1</TransferBeforeScanEnding>"),
            "policies.0.partial.chunkSize",
            "1Mi",
        ),
        (
            icap(
                "<ScanMaxFileSize>100</ScanMaxFileSize><TransferBeforeScanEnding ChunkSize='64'>1</TransferBeforeScanEnding>",
            ),
            "policies.0.partial.chunkSize",
            "25Ki",
        ),
        (
            icap("<KeepAliveSettings><UseAlways>0</UseAlways></KeepAliveSettings>"),
            "keepAlive.onlyWhenAsked",
            "true",
        ),
        (
            icap("<KeepAliveSettings><UseAlways>1</UseAlways></KeepAliveSettings>"),
            "keepAlive.onlyWhenAsked",
            "false",
        ),
        (icap("<HTTPClientIpICAPHeader>X-IP</HTTPClientIpICAPHeader>"), "identity.addressHeader", "X-IP"),
        (icap("<HTTPUserNameICAPHeader>X-User</HTTPUserNameICAPHeader>"), "identity.userHeader", "X-User"),
        (icap("<VirusNameICAPHeader>X-Virus</VirusNameICAPHeader>"), "detectionHeaders.threat", "X-Virus"),
        (
            icap("<DatabaseVersionICAPHeader>X-DB</DatabaseVersionICAPHeader>"),
            "detectionHeaders.databaseTime",
            "X-DB",
        ),
        (
            icap("<SendResponseDescICAPHeader>1</SendResponseDescICAPHeader>"),
            "detectionHeaders.description",
            "true",
        ),
        (
            icap("<SendViolationsFoundICAPHeader>1</SendViolationsFoundICAPHeader>"),
            "detectionHeaders.violations",
            "true",
        ),
        (icap("<ScanInReqMode>URL</ScanInReqMode>"), "services.0.scan", "url"),
        (icap("<ScanInReqMode>Content</ScanInReqMode>"), "services.0.scan", "content"),
        (icap("<ScanInReqMode/>"), "services.0.scan", "none"),
        (icap("<ScanInRespMode>all</ScanInRespMode>"), "services.1.scan", "all"),
    ]);
}

#[test]
fn each_sdk_setting_becomes_its_field() {
    assert_each(&[
        (sdk("<ScannersCount>4</ScannersCount>"), "scanner.workers", "4"),
        (sdk("<ScannersCount>4</ScannersCount><ThreadsCount>8</ThreadsCount>"), "scanner.inFlight", "8"),
        (sdk("<QueueLen>200</QueueLen>"), "limits.queueLength", "200"),
        (sdk("<ScanTimeout>1500</ScanTimeout>"), "policies.0.scan.timeout", "1s500ms"),
        (sdk("<ScanTimeout>10000</ScanTimeout>"), "policies.0.scan.timeout", "10s"),
        (sdk("<MaxArchivesScanningDepth>7</MaxArchivesScanningDepth>"), "policies.0.scan.maxDepth", "7"),
        (sdk("<TempPath>/var/tmp</TempPath>"), "scanner.tempDir", "/var/tmp"),
        (
            sdk("<ScanningMode>KAV_O_M_PACKED|KAV_O_M_MAILBASES</ScanningMode>"),
            "policies.0.scan.unpack",
            "packed,mailDatabases",
        ),
        (
            sdk("<ScanningMode>KAV_O_M_ARCHIVED | KAV_O_M_MAILPLAIN</ScanningMode>"),
            "policies.0.scan.unpack",
            "archives,mail",
        ),
        (sdk("<ScanningMode></ScanningMode>"), "policies.0.scan.unpack", "[]"),
        (
            sdk("<ScanningMode>KAV_O_M_HEURISTIC_LEVEL_DETAIL</ScanningMode>"),
            "policies.0.scan.heuristics",
            "detail",
        ),
        (
            sdk("<ScanningMode>KAV_O_M_HEURISTIC_LEVEL_MEDIUM</ScanningMode>"),
            "policies.0.scan.heuristics",
            "medium",
        ),
        (
            sdk("<ScanningMode>KAV_O_M_HEURISTIC_LEVEL_SHALLOW</ScanningMode>"),
            "policies.0.scan.heuristics",
            "shallow",
        ),
        (sdk("<ScanningMode>KAV_O_M_PACKED</ScanningMode>"), "policies.0.scan.heuristics", "off"),
        (sdk("<ScanningMode>KAV_O_M_PHISHING</ScanningMode>"), "policies.0.scan.phishing", "true"),
        (sdk("<ScanningMode>KAV_O_M_PACKED</ScanningMode>"), "policies.0.scan.phishing", "false"),
    ]);
}

#[test]
fn a_version_that_keeps_the_scan_settings_elsewhere_is_read_too() {
    let xml = "<Configuration><ICAPSettings/><KAVScanningSettings><Flags>KAV_O_M_ARCHIVED</Flags>\
               <ScanTimeout>20000</ScanTimeout></KAVScanningSettings></Configuration>";
    let text = imported(xml, None).to_yaml();
    assert_eq!(field(&text, "policies.0.scan.unpack").as_deref(), Some("archives"));
    assert_eq!(field(&text, "policies.0.scan.timeout").as_deref(), Some("20s"));
}

#[test]
fn the_references_defaults_are_written_where_they_differ() {
    let text = imported(&icap("<MaxIcapSessionsCount>2000</MaxIcapSessionsCount>"), None).to_yaml();
    for (path, wanted) in [
        ("listen", "0.0.0.0:1344"),
        ("services.0.path", "/req"),
        ("services.0.modes", "REQMOD"),
        ("services.0.scan", "all"),
        ("services.0.allow204", "false"),
        ("services.0.preview", "off"),
        ("services.1.path", "/resp"),
        ("services.1.modes", "RESPMOD"),
        ("services.1.scan", "all"),
        ("policies.0.scan.maxObjectSize", "'2147483647'"),
        ("limits.queueLength", "1024"),
    ] {
        assert_eq!(field(&text, path).as_deref(), Some(wanted), "{path}:\n{text}");
    }
    // A queue of 1024 refuses nobody here, as the default does not.
    let few = imported(&icap("<MaxIcapSessionsCount>100</MaxIcapSessionsCount>"), None).to_yaml();
    assert_eq!(field(&few, "limits.queueLength"), None, "{few}");
}

#[test]
fn exclusions_ask_for_previews() {
    let text = imported(&icap("<Exclusions><ContentSize>2048</ContentSize></Exclusions>"), None).to_yaml();
    assert_eq!(field(&text, "services.0.preview").as_deref(), Some("4096"));
    let text = imported(&icap("<Exclusions></Exclusions>"), None).to_yaml();
    assert_eq!(field(&text, "services.0.preview").as_deref(), Some("off"));
}

#[test]
fn the_whole_sample_becomes_this_file() {
    let text = imported(WHOLE, None).to_yaml();
    let wanted = "\
# Written by `icapstan import-kse`; docs/migrating-from-kse.md tells what differs.
listen: 0.0.0.0:1345
services:
- path: /upload
  modes:
  - REQMOD
  scan: url
  preview: 4096
  allow204: true
- path: /download
  modes:
  - RESPMOD
  scan: content
  preview: 4096
  allow204: true
policies:
- name: default
  scan:
    maxObjectSize: 17590Ki
    timeout: 10s
    maxDepth: 7
    unpack:
    - packed
    - archives
    - mail
    - mailDatabases
    heuristics: shallow
    phishing: false
  partial:
    enabled: true
    delay: 10s
    chunkSize: 4Ki
limits:
  sessions: 100
  queueLength: 1024
  memory: 600Mi
scanner:
  workers: 4
  inFlight: 8
  tempDir: /var/tmp/scanengine
keepAlive:
  enabled: true
  idleTimeout: 5s
  maxRequests: 1000
  onlyWhenAsked: true
blockedUrls:
  enabled: true
  maxSize: 5000Ki
  ttl: 30m
identity:
  addressHeader: X-Client-Address
  userHeader: X-Client-User
detectionHeaders:
  threat: X-Threat
  databaseTime: X-AV-Database-time
  description: true
  violations: true
";
    assert_eq!(text, wanted);
}

#[test]
fn comments_and_character_data_do_not_split_a_value() {
    let xml = icap("<Port>13<!-- old: 44 --><![CDATA[45]]></Port>");
    assert_eq!(field(&imported(&xml, None).to_yaml(), "listen").as_deref(), Some("0.0.0.0:1345"));
}

#[test]
fn urls_of_cut_downloads_are_remembered_as_there() {
    let element = |attributes: &str| {
        icap(&format!("<TransferBeforeScanEnding {attributes}>1</TransferBeforeScanEnding>"))
    };
    let xml = element("BlockedUrlCacheEnabled='0' BlockedUrlCacheKb='8000' BlockedUrlCacheTtlSec='600'");
    let text = imported(&xml, None).to_yaml();
    for (path, expected) in [("enabled", "false"), ("maxSize", "8000Ki"), ("ttl", "10m")] {
        assert_eq!(field(&text, &format!("blockedUrls.{path}")).as_deref(), Some(expected), "{text}");
    }
    let xml = element("BlockedUrlCacheKb='1' BlockedUrlCacheTtlSec='100000'");
    let text = imported(&xml, None).to_yaml();
    for (path, expected) in [("maxSize", "64Ki"), ("ttl", "24h")] {
        assert_eq!(field(&text, &format!("blockedUrls.{path}")).as_deref(), Some(expected), "{text}");
    }
}
