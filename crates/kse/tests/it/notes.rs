//! What is not done here is said.

use crate::{WHOLE, field, icap, imported, notes_on, sdk, severity_on};
use icapstan_kse::{MAX_NOTES, Severity};

#[test]
fn each_element_without_counterpart_is_named_with_its_value() {
    let imported = imported(WHOLE, None);
    for (element, value) in [
        ("ICAPSettings/RequestingICAPHeaders/ICAPHeader", "X-Department"),
        ("ICAPSettings/RulesFilePath", "/opt/kaspersky/ScanEngine/icap_data/kavicapd_gui_rules.conf"),
        ("ICAPSettings/ResponsesPath", "/opt/kaspersky/ScanEngine/icap_data/templates"),
        ("ICAPSettings/CmdPath", "/opt/kaspersky/ScanEngine/icap_data/scripts"),
        ("ICAPSettings/Exclusions/ContentSize", "2048"),
        ("ICAPSettings/Exclusions/ContentType", "video/mp4"),
        ("ICAPSettings/Exclusions/RequestURL", "example.com"),
        ("ICAPSettings/USR1SignalAction", "reload"),
        ("ICAPSettings/USR2SignalAction", "none"),
        ("ICAPSettings/LoggingConfigFilePath", "/etc/kavicapd_log.conf"),
        ("SDKSettings/LicensePath", "/opt/kaspersky/ScanEngine/bin"),
        ("SDKSettings/LicensingMode", "1"),
        ("SDKSettings/BasesPath", "/opt/kaspersky/ScanEngine/bin/bases"),
        ("SDKSettings/UseKSN", "1"),
        ("SDKSettings/FormatRecognizerSettings", ""),
        ("UpdateSettings/DisableBackup", "0"),
        ("UpdateSettings/UpdatePeriodMinutes", "30"),
        ("UpdateSettings/UseOnlyCustomSources", "1"),
        ("UpdateSettings/UpdateSources/Source", "https://mirror.example/bases"),
        ("UpdateSettings/UpdatesCertFile", "/etc/updates.pem"),
        ("UpdateSettings/CertificateConfirmationAction", "1"),
        ("UpdateSettings/UseReducedBases", "0"),
    ] {
        let note = notes_on(&imported, element)
            .into_iter()
            .find(|note| note.severity == Severity::Dropped && note.value == value)
            .unwrap_or_else(|| panic!("no note on {element}"));
        assert!(!note.message.contains("not known"), "{element} is known by name: {note}");
    }
}

#[test]
fn nothing_of_the_whole_sample_is_unknown() {
    for note in imported(WHOLE, None).notes {
        assert!(!note.message.contains("not known"), "{note}");
    }
}

#[test]
fn what_does_almost_the_same_is_called_approximated() {
    let imported = imported(WHOLE, None);
    for element in [
        "ICAPSettings/ScanInReqMode",
        "ICAPSettings/RAMUsageLimit",
        "ICAPSettings/SendResponseInfoICAPHeader",
    ] {
        assert_eq!(severity_on(&imported, element), Some(Severity::Approximated), "{element}");
    }
}

#[test]
fn unknown_elements_are_named_with_their_path_once() {
    let xml = "<Configuration Version='2'><ICAPSettings Mode='x'><Odd><Deep>1</Deep></Odd><Port Base='8'>1344<Odder/></Port>\
               <KeepAliveSettings><Never>1</Never></KeepAliveSettings></ICAPSettings><ProxySettings/></Configuration>";
    let imported = imported(xml, None);
    for element in [
        "@Version",
        "ICAPSettings/@Mode",
        "ICAPSettings/Odd",
        "ICAPSettings/Port/@Base",
        "ICAPSettings/Port/Odder",
        "ICAPSettings/KeepAliveSettings/Never",
        "ProxySettings",
    ] {
        let notes = notes_on(&imported, element);
        assert_eq!(notes.len(), 1, "{element}: {:?}", imported.notes);
        assert_eq!(notes[0].severity, Severity::Dropped);
    }
}

#[test]
fn what_stands_there_twice_counts_once() {
    let imported = imported(&icap("<Port>1345</Port><Port>1346</Port>"), None);
    assert_eq!(imported.config.listen.unwrap().port(), 1345);
    let note =
        notes_on(&imported, "ICAPSettings/Port").into_iter().find(|note| note.value == "1346").unwrap();
    assert_eq!(note.severity, Severity::Dropped);
}

#[test]
fn values_out_of_bounds_take_the_bound_and_say_so() {
    let keep = |inner: &str| icap(&format!("<KeepAliveSettings>{inner}</KeepAliveSettings>"));
    for (xml, path, wanted, element) in [
        (icap("<Port>70000</Port>"), "listen", "0.0.0.0:1344", "ICAPSettings/Port"),
        (icap("<Port>0</Port>"), "listen", "0.0.0.0:1344", "ICAPSettings/Port"),
        (
            icap("<MaxIcapSessionsCount>99999999999999999999</MaxIcapSessionsCount>"),
            "limits.sessions",
            "1000000",
            "ICAPSettings/MaxIcapSessionsCount",
        ),
        (
            icap("<RAMUsageLimit>99999999999</RAMUsageLimit>"),
            "limits.memory",
            "64Ti",
            "ICAPSettings/RAMUsageLimit",
        ),
        (
            icap("<ScanMaxFileSize>10591232</ScanMaxFileSize>"),
            "policies.0.scan.maxObjectSize",
            "'2147483647'",
            "ICAPSettings/ScanMaxFileSize",
        ),
        (
            icap("<ScanMaxFileSize>900000</ScanMaxFileSize><RAMUsageLimit>600</RAMUsageLimit>"),
            "policies.0.scan.maxObjectSize",
            "600Mi",
            "ICAPSettings/ScanMaxFileSize",
        ),
        (
            icap("<ReqModeAddress>a b</ReqModeAddress>"),
            "services.0.path",
            "/req",
            "ICAPSettings/ReqModeAddress",
        ),
        (
            icap("<ReqModeAddress>x</ReqModeAddress><RespModeAddress>x</RespModeAddress>"),
            "services.1.path",
            "/resp",
            "ICAPSettings/RespModeAddress",
        ),
        (
            icap("<ScanInReqMode>Everything</ScanInReqMode>"),
            "services.0.scan",
            "all",
            "ICAPSettings/ScanInReqMode",
        ),
        (
            keep("<TimeoutMs>1</TimeoutMs>"),
            "keepAlive.idleTimeout",
            "1s",
            "ICAPSettings/KeepAliveSettings/TimeoutMs",
        ),
        (
            keep("<TimeoutMs>0</TimeoutMs>"),
            "keepAlive.idleTimeout",
            "24h",
            "ICAPSettings/KeepAliveSettings/TimeoutMs",
        ),
        (
            keep("<MaxRequests>4294967296</MaxRequests>"),
            "keepAlive.maxRequests",
            "4294967295",
            "ICAPSettings/KeepAliveSettings/MaxRequests",
        ),
        (sdk("<ScannersCount>999</ScannersCount>"), "scanner.workers", "512", "SDKSettings/ScannersCount"),
        (
            sdk("<ScannersCount>8</ScannersCount><ThreadsCount>4</ThreadsCount>"),
            "scanner.inFlight",
            "8",
            "SDKSettings/ThreadsCount",
        ),
        (sdk("<ScanTimeout>0</ScanTimeout>"), "policies.0.scan.timeout", "1h", "SDKSettings/ScanTimeout"),
        (sdk("<ScanTimeout>1</ScanTimeout>"), "policies.0.scan.timeout", "100ms", "SDKSettings/ScanTimeout"),
        (
            sdk("<MaxArchivesScanningDepth>0</MaxArchivesScanningDepth>"),
            "policies.0.scan.maxDepth",
            "64",
            "SDKSettings/MaxArchivesScanningDepth",
        ),
        (
            sdk("<MaxArchivesScanningDepth>500</MaxArchivesScanningDepth>"),
            "policies.0.scan.maxDepth",
            "64",
            "SDKSettings/MaxArchivesScanningDepth",
        ),
    ] {
        let imported = imported(&xml, None);
        assert_eq!(field(&imported.to_yaml(), path).as_deref(), Some(wanted), "{xml}");
        assert_eq!(severity_on(&imported, element), Some(Severity::Approximated), "{xml}");
    }
}

#[test]
fn values_of_another_kind_leave_the_default_and_say_so() {
    for (xml, path, element) in [
        (
            icap("<MaxIcapSessionsCount>many</MaxIcapSessionsCount>"),
            "limits.sessions",
            "ICAPSettings/MaxIcapSessionsCount",
        ),
        (
            icap("<MaxIcapSessionsCount>0</MaxIcapSessionsCount>"),
            "limits.sessions",
            "ICAPSettings/MaxIcapSessionsCount",
        ),
        (
            icap("<MaxIcapSessionsCount>-1</MaxIcapSessionsCount>"),
            "limits.sessions",
            "ICAPSettings/MaxIcapSessionsCount",
        ),
        (
            icap("<MaxIcapSessionsCount>+1</MaxIcapSessionsCount>"),
            "limits.sessions",
            "ICAPSettings/MaxIcapSessionsCount",
        ),
        (icap("<MaxIcapSessionsCount/>"), "limits.sessions", "ICAPSettings/MaxIcapSessionsCount"),
        (icap("<ScanMaxFileSize>10 MB</ScanMaxFileSize>"), "policies.0.scan", "ICAPSettings/ScanMaxFileSize"),
        (
            icap("<HTTPUserNameICAPHeader>X User</HTTPUserNameICAPHeader>"),
            "identity",
            "ICAPSettings/HTTPUserNameICAPHeader",
        ),
        (
            icap("<KeepAliveSettings Enabled='maybe'/>"),
            "keepAlive",
            "ICAPSettings/KeepAliveSettings/@Enabled",
        ),
        (sdk("<QueueLen>0</QueueLen>"), "limits.queueLength", "SDKSettings/QueueLen"),
        (sdk("<ThreadsCount>8</ThreadsCount>"), "scanner", "SDKSettings/ThreadsCount"),
        (sdk("<TempPath>tmp</TempPath>"), "scanner", "SDKSettings/TempPath"),
        (sdk("<ScanningMode>KAV_O_M_NEW</ScanningMode>"), "policies.0.scan.new", "SDKSettings/ScanningMode"),
    ] {
        let imported = imported(&xml, None);
        assert_eq!(field(&imported.to_yaml(), path), None, "{xml}");
        assert_eq!(severity_on(&imported, element), Some(Severity::Dropped), "{xml}: {:?}", imported.notes);
    }
}

#[test]
fn a_port_that_is_the_admins_moves_the_admin() {
    let imported = imported(&icap("<Port>9344</Port>"), None);
    assert_eq!((imported.config.listen.unwrap().port(), imported.config.admin.port()), (9344, 9345));
    assert_eq!(severity_on(&imported, "ICAPSettings/Port"), Some(Severity::Approximated));
}

#[test]
fn partial_mode_that_is_off_is_not_missed() {
    let xml = icap("<TransferBeforeScanEnding Delay='10' ChunkSize='4'>0</TransferBeforeScanEnding>");
    let imported = imported(&xml, None);
    assert!(imported.notes.iter().all(|note| !note.element.contains("TransferBeforeScanEnding")));
}

#[test]
fn a_file_of_unknown_elements_gives_bounded_notes() {
    let imported = imported(&icap(&"<Odd/>".repeat(5_000)), None);
    assert_eq!(imported.notes.len(), MAX_NOTES);
    let last = imported.notes.last().unwrap();
    assert!(last.message.contains("more"), "{last}");
}
