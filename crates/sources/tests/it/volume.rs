//! Files on volumes.

use crate::support::{Setup, reason, unsigned};
use icapstan_sources::{Location, Network, Outcome, Reason};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn setup() -> Setup {
    Setup::with(|folder| {
        fs::create_dir(folder.join("volume")).unwrap();
        fs::create_dir(folder.join("elsewhere")).unwrap();
        fs::write(folder.join("elsewhere/token.cfg"), "s3cr3t").unwrap();
        Network { roots: vec![folder.join("volume")], ..Network::default() }
    })
}

fn at(path: &Path) -> icapstan_sources::SourceSpec {
    unsigned(Location::Volume(path.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_gives_its_databases_through_the_links_of_kubernetes_too() {
    let setup = setup();
    let volume = setup.folder.path().join("volume");
    let data = volume.join("..2026_11_24");
    fs::create_dir(&data).unwrap();
    for (name, text) in [("a.ndb", "A"), ("b.yar", "B"), ("README", "no"), ("freshclam.dat", "no")] {
        fs::write(data.join(name), text).unwrap();
        symlink(format!("..data/{name}"), volume.join(name)).unwrap();
    }
    symlink("..2026_11_24", volume.join("..data")).unwrap();
    let first = setup.fetch(&at(&volume), None).await.unwrap();
    let names: Vec<_> = first.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!((names, setup.read(&first, "b.yar")), (vec!["a.ndb", "b.yar"], b"B".to_vec()));
    let second = setup.fetch(&at(&volume), Some(&first)).await.unwrap();
    assert_eq!(second.outcome, Outcome::NotModified);
    let one = setup.fetch(&at(&volume.join("a.ndb")), None).await.unwrap();
    assert_eq!((one.files.len(), setup.read(&one, "a.ndb")), (1, b"A".to_vec()));
    fs::remove_file(volume.join("a.ndb")).unwrap();
    fs::remove_file(volume.join("b.yar")).unwrap();
    assert_eq!(reason(setup.fetch(&at(&volume), None).await), Reason::UnsupportedFormat);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_from_elsewhere() {
    let setup = setup();
    let root = setup.folder.path();
    let volume = root.join("volume");
    symlink("../elsewhere/token.cfg", volume.join("x.cfg")).unwrap();
    symlink("../elsewhere", volume.join("link")).unwrap();
    for path in [
        root.join("elsewhere/token.cfg"),
        root.join("elsewhere"),
        root.join("elsewhere/nothing"),
        volume.join("../elsewhere/token.cfg"),
        volume.join("link/token.cfg"),
        volume.join("x.cfg"),
        volume.clone(),
        root.to_owned(),
        "/etc/passwd".into(),
        "relative".into(),
    ] {
        assert_eq!(reason(setup.fetch(&at(&path), None).await), Reason::AddressRefused, "{path:?}");
    }
    // Without a root nothing may be had.
    assert_eq!(reason(Setup::new().fetch(&at(&volume), None).await), Reason::AddressRefused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_or_too_large_is_refused_without_waiting() {
    let setup = setup();
    let volume = setup.folder.path().join("volume");
    assert_eq!(reason(setup.fetch(&at(&volume.join("gone.ndb")), None).await), Reason::FetchFailed);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        volume.join("pipe.ndb"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert_eq!(reason(setup.fetch(&at(&volume.join("pipe.ndb")), None).await), Reason::FetchFailed);
    fs::File::create(volume.join("large.ndb")).unwrap().set_len((8 << 20) + 1).unwrap();
    assert_eq!(reason(setup.fetch(&at(&volume.join("large.ndb")), None).await), Reason::TooLarge);
    fs::create_dir(volume.join("many")).unwrap();
    for number in 0..65 {
        fs::write(volume.join(format!("many/{number}.ndb")), "x").unwrap();
    }
    assert_eq!(reason(setup.fetch(&at(&volume.join("many")), None).await), Reason::TooLarge);
}
