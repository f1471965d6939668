use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use icapstan_testkit::{IcapClient, Message, Standalone};
use std::collections::BTreeMap;
use std::io::Write;

fn plan(hashes: u32, ndb: u32, ldb: u32, seed: u64) -> Plan {
    Plan::new(Preset::Tiny, Counts { hashes, ndb, ldb }, seed, None).unwrap()
}

fn folder_of(plan: &Plan) -> (u64, BTreeMap<String, String>) {
    let dir = icapstan_testkit::tempdir();
    let count = write(dir.path(), plan).unwrap();
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    });
    (count, files.collect())
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let first = folder_of(&plan(1000, 200, 50, 7));
    assert_eq!(first, folder_of(&plan(1000, 200, 50, 7)));
    assert_ne!(first, folder_of(&plan(1000, 200, 50, 8)));
}

#[test]
fn more_of_one_kind_leaves_the_others_as_they_are() {
    let (_, few) = folder_of(&plan(1000, 200, 50, 1));
    let (_, many) = folder_of(&plan(1000, 400, 50, 1));
    assert!(many["bench.ndb"].starts_with(&few["bench.ndb"]));
    for same in ["bench.hdb", "bench.hsb", "bench.ldb"] {
        assert_eq!(few[same], many[same]);
    }
}

#[test]
fn the_set_has_the_promised_shape() {
    let (count, files) = folder_of(&plan(10_000, 4_000, 1_000, 1));
    let lines = |name: &str| files[name].lines().collect::<Vec<_>>();
    let all: usize = files.values().map(|text| text.lines().count()).sum();
    assert_eq!(count, all as u64);
    assert_eq!((lines("bench.hdb").len(), lines("bench.hsb").len()), (4_002, 6_001));
    assert!(lines("bench.hdb").iter().all(|line| line.split(':').next().unwrap().len() == 32));
    assert!(lines("bench.hsb").iter().all(|line| line.split(':').next().unwrap().len() == 64));

    let wild = lines("bench.ndb").into_iter().filter(|line| {
        let body = line.rsplit(':').next().unwrap();
        body.contains(['?', '*', '{'])
    });
    assert!((900..1_100).contains(&wild.count()));
    let generic = lines("bench.ldb").iter().filter(|line| line.contains("Target:0;")).count();
    assert!((150..250).contains(&generic), "{generic}");
    for line in lines("bench.ldb") {
        let fields: Vec<_> = line.split(';').collect();
        let parts = fields[2].split('&').count();
        assert!((2..=4).contains(&parts) && fields.len() == 3 + parts, "{line}");
    }
}

#[test]
fn an_earlier_set_is_replaced_and_files_of_others_are_left_alone() {
    let dir = icapstan_testkit::tempdir();
    fs::write(dir.path().join("real-main.ldb"), "left by an earlier run").unwrap();
    write(dir.path(), &plan(0, 0, 0, 1)).unwrap();
    assert!(!dir.path().join("real-main.ldb").exists());
    fs::write(dir.path().join("daily.cvd"), "of somebody else").unwrap();
    let error = write(dir.path(), &plan(0, 0, 0, 1)).unwrap_err();
    assert!(error.to_string().contains("daily.cvd"), "{error}");
    assert!(dir.path().join("daily.cvd").exists());
}

#[test]
fn official_needs_real_lists_and_takes_all_of_them() {
    let none = Plan::preset(Preset::Official, None).unwrap_err();
    assert!(format!("{none:#}").contains("ICAPSTAN_REAL_SIGNATURES"), "{none:#}");

    let lists = icapstan_testkit::tempdir();
    let put = |name: &str, text: &str| {
        let mut gzip =
            GzEncoder::new(fs::File::create(lists.path().join(name)).unwrap(), Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap();
    };
    put("main.ldb.gz", "Real.One;Engine:51-255,Target:0;0;61626364\n# a comment\n");
    put("daily.ndb.gz", "Real.Two:0:*:65666768\nReal.Three:0:*:696a6b6c");
    let some = Plan::preset(Preset::Official, Some(lists.path().to_owned())).unwrap_err();
    assert!(format!("{some:#}").contains("main.hdb.gz"), "{some:#}");

    put("main.hdb.gz", "");
    let counts = Counts { hashes: 0, ndb: 0, ldb: 0 };
    let plan = Plan::new(Preset::Official, counts, 1, Some(lists.path().to_owned())).unwrap();
    let (count, files) = folder_of(&plan);
    assert_eq!(count, 3 + 6);
    assert_eq!(files["real-daily.ndb"], "Real.Two:0:*:65666768\nReal.Three:0:*:696a6b6c");
    assert!(files["real-main.ldb"].starts_with("Real.One;"));
}

#[test]
fn the_scanner_loads_a_set_and_gives_the_known_answers() {
    let dir = icapstan_testkit::tempdir();
    write(dir.path(), &plan(500, 2_000, 200, 1)).unwrap();
    let server = Standalone::with().signature_folder(dir.path()).start();
    let mut client = IcapClient::connect(server.icap());
    let mut ask = |object: &[u8]| {
        let message = Message::respmod("/respmod")
            .allow_204()
            .request_head("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n")
            .response_head("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            .body(object);
        client.send(message.bytes());
        client.read_respmod()
    };
    for known in known() {
        let response = ask(&known.object);
        let threat = response.get("X-Infection-Found").unwrap_or_default();
        assert!(threat.contains(known.signature), "{}: {}", known.name, response.shown());
    }
    assert_eq!(ask(&clean(10_000)).status, 204);
}
