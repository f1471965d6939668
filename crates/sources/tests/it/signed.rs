//! Signatures, digests and versions, as the tools make them that people use.

use crate::support::{Setup, reason, run, signed_by, unsigned};
use bytes::Bytes;
use icapstan_api::fleet::ContentDigest;
use icapstan_sources::{Evidence, Format, Location, Reason, SourceError, SourceSpec, Verification};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder in which tools write files, which then are the source.
struct Workshop(TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    /// A key of minisign without a password; its public half.
    fn minisign_key(&self, name: &str) -> String {
        let (public, own) = (format!("{name}.pub"), format!("{name}.key"));
        run(self.path(), "minisign", &["-G", "-W", "-p", &public, "-s", &own]);
        String::from_utf8(self.read(&public)).unwrap()
    }

    fn minisign(&self, key: &str, file: &str, more: &[&str]) {
        let own = format!("{key}.key");
        run(self.path(), "minisign", &[&["-S", "-s", &own, "-m", file], more].concat());
    }

    /// These files of it.
    fn spec(&self, names: &[&str], verification: Verification) -> SourceSpec {
        let file = |name: &&str| ((*name).to_owned(), Bytes::from(self.read(name)));
        SourceSpec { location: Location::Inline(names.iter().map(file).collect()), verification }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_minisign_signed_is_accepted_and_nothing_else() {
    let (setup, shop) = (Setup::new(), Workshop::new());
    let [one, two] = ["one", "two"].map(|name| shop.minisign_key(name));
    shop.write("a.ndb", "Test.A:0:*:414243444546\n");
    shop.minisign("one", "a.ndb", &[]);
    let both = ["a.ndb", "a.ndb.minisig"];
    let by = |keys: &[&str]| signed_by(Format::Minisign, keys);
    let fetched = setup.fetch(&shop.spec(&both, by(&[&one])), None).await.unwrap();
    assert!(
        matches!(&fetched.evidence, Evidence::Signed(keys) if keys.len() == 1 && keys[0].starts_with("minisign:"))
    );
    assert_eq!(fetched.files.len(), 1, "the signature is none of the files");
    // Keys are changed by giving both for a while.
    assert!(setup.fetch(&shop.spec(&both, by(&[&two, &one])), None).await.is_ok());
    assert_eq!(reason(setup.fetch(&shop.spec(&both, by(&[&two])), None).await), Reason::SignatureInvalid);
    assert_eq!(reason(setup.fetch(&shop.spec(&both, by(&[])), None).await), Reason::SignatureMissing);
    assert_eq!(
        reason(setup.fetch(&shop.spec(&["a.ndb"], by(&[&one])), None).await),
        Reason::SignatureMissing
    );
    shop.write("a.ndb", "Test.A:0:*:414243444547\n");
    assert_eq!(reason(setup.fetch(&shop.spec(&both, by(&[&one])), None).await), Reason::SignatureInvalid);
    shop.write("a.ndb.minisig", "<html>");
    assert_eq!(reason(setup.fetch(&shop.spec(&both, by(&[&one])), None).await), Reason::SignatureInvalid);
    // As versions before 0.10 signed.
    shop.minisign("one", "a.ndb", &["-l"]);
    assert!(setup.fetch(&shop.spec(&both, by(&[&one])), None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_earlier_is_refused_unless_it_is_pinned() {
    let (setup, shop) = (Setup::new(), Workshop::new());
    let key = shop.minisign_key("key");
    let both = ["a.ndb", "a.ndb.minisig"];
    let verification = signed_by(Format::Minisign, &[&key]);
    let make = |text: &str, time: u64| {
        shop.write("a.ndb", text);
        shop.minisign("key", "a.ndb", &["-t", &format!("timestamp:{time}\tfile:a.ndb")]);
    };
    make("new", 1_700_000_000);
    let new = setup.fetch(&shop.spec(&both, verification.clone()), None).await.unwrap();
    assert_eq!(new.upstream_version().as_deref(), Some("2023-11-14T22:13:20Z"));
    make("old", 1_600_000_000);
    let old = shop.spec(&both, verification.clone());
    assert_eq!(reason(setup.fetch(&old, Some(&new)).await), Reason::DowngradeRefused);
    let sha256 = Some(ContentDigest::of(b"old"));
    let pinned = shop.spec(&both, Verification { sha256, ..verification.clone() });
    let back = setup.fetch(&pinned, Some(&new)).await.unwrap();
    assert!(matches!(back.evidence, Evidence::Signed(_)), "a digest does not make a signature needless");
    let sha256 = Some(ContentDigest::of(b"other"));
    let other = shop.spec(&both, Verification { sha256, ..verification });
    assert_eq!(reason(setup.fetch(&other, None).await), Reason::ChecksumMismatch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_openssl_signed_is_accepted_and_nothing_else() {
    let (setup, shop) = (Setup::new(), Workshop::new());
    let openssl = |arguments: &[&str]| run(shop.path(), "openssl", arguments);
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    let public = openssl(&["pkey", "-in", "key.pem", "-pubout"]);
    shop.write("a.yar", "rule a { condition: false }");
    openssl(&["pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "a.yar", "-out", "a.yar.sig"]);
    openssl(&["base64", "-in", "a.yar.sig", "-out", "a.yar.b64"]);
    let by = || signed_by(Format::Ed25519, &[&public]);
    let fetched = setup.fetch(&shop.spec(&["a.yar", "a.yar.sig"], by()), None).await.unwrap();
    assert!(matches!(&fetched.evidence, Evidence::Signed(keys) if keys[0].starts_with("ed25519:")));
    let other = Verification { signature_suffix: Some(".b64".to_owned()), ..by() };
    assert!(setup.fetch(&shop.spec(&["a.yar", "a.yar.b64"], other), None).await.is_ok());
    shop.write("a.yar", "rule a { condition: true }");
    let changed = shop.spec(&["a.yar", "a.yar.sig"], by());
    assert_eq!(reason(setup.fetch(&changed, None).await), Reason::SignatureInvalid);
    let minisign = signed_by(Format::Minisign, &[&shop.minisign_key("key")]);
    let mixed = Verification { keys: minisign.keys, ..by() };
    assert_eq!(
        reason(setup.fetch(&shop.spec(&["a.yar", "a.yar.sig"], mixed), None).await),
        Reason::SignatureMissing
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_signed_list_of_sha256sum_vouches_for_all() {
    let (setup, shop) = (Setup::new(), Workshop::new());
    let key = shop.minisign_key("key");
    let make = |serial: &str, text: &str| {
        shop.write("a.ndb", text);
        shop.write("b.yar", "B");
        let sums = run(shop.path(), "sha256sum", &["a.ndb", "b.yar"]);
        shop.write("SHA256SUMS", format!("{serial}{sums}"));
        shop.minisign("key", "SHA256SUMS", &[]);
    };
    let all = ["a.ndb", "b.yar", "SHA256SUMS", "SHA256SUMS.minisig"];
    let manifest = Some("SHA256SUMS".to_owned());
    let verification = Verification { manifest, ..signed_by(Format::Minisign, &[&key]) };
    make("# serial: 7\n", "A");
    run(shop.path(), "sha256sum", &["-c", "--quiet", "--strict", "SHA256SUMS"]);
    let first = setup.fetch(&shop.spec(&all, verification.clone()), None).await.unwrap();
    assert_eq!(
        (first.files.len(), first.serial, first.upstream_version().as_deref()),
        (2, Some(7), Some("7"))
    );
    assert!(matches!(first.evidence, Evidence::Signed(_)) && first.released.is_some());
    for (serial, expected) in [
        ("# serial: 6\n", Some(Reason::DowngradeRefused)),
        ("", Some(Reason::DowngradeRefused)),
        ("# serial: x\n", Some(Reason::UnsupportedFormat)),
        ("# serial: 8\n# released: 2001-01-01T00:00:00Z\n", Some(Reason::DowngradeRefused)),
        ("# serial: 8\n", None),
    ] {
        make(serial, "A2");
        let result = setup.fetch(&shop.spec(&all, verification.clone()), Some(&first)).await;
        assert_eq!(result.as_ref().err().map(SourceError::reason), expected, "{serial}: {result:?}");
    }
    // A file that is not as it is listed, and one that is not listed.
    shop.write("a.ndb", "A3");
    let changed = shop.spec(&all, verification.clone());
    assert_eq!(reason(setup.fetch(&changed, None).await), Reason::ChecksumMismatch);
    make("", "A");
    shop.write("c.ndb", "C");
    let more = shop.spec(&[&all[..], &["c.ndb"]].concat(), verification.clone());
    assert_eq!(reason(setup.fetch(&more, None).await), Reason::ChecksumMismatch);
    // The list itself.
    let no_signature = shop.spec(&all[..3], verification.clone());
    assert_eq!(reason(setup.fetch(&no_signature, None).await), Reason::SignatureMissing);
    let no_list = shop.spec(&all[..2], verification.clone());
    assert_eq!(reason(setup.fetch(&no_list, None).await), Reason::FetchFailed);
    let list = [shop.read("SHA256SUMS"), b"\n".to_vec()].concat();
    shop.write("SHA256SUMS", list);
    let forged = shop.spec(&all, verification.clone());
    assert_eq!(reason(setup.fetch(&forged, None).await), Reason::SignatureInvalid);
    // Not signed, on purpose: they are undamaged, and no more is claimed.
    let listed = Verification { format: Format::None, keys: vec![], ..verification };
    let fetched = setup.fetch(&shop.spec(&all[..3], listed), None).await.unwrap();
    assert_eq!(fetched.evidence, Evidence::Listed);
}

/// A container of signatures, as sigtool builds it.
fn build(shop: &Workshop, version: u32) -> Vec<u8> {
    shop.write("daily.ndb", format!("Test.V{version}:0:*:414243444546\n"));
    shop.write("COPYING", "x");
    let number = format!("--cvd-version={version}");
    let folder = format!("--datadir={}", shop.path().join("none").display());
    let _ = fs::remove_file(shop.path().join("daily.cud"));
    run(shop.path(), "sigtool", &["--build=daily.cud", "--unsigned", "--no-cdiff", &number, &folder]);
    shop.read("daily.cud")
}

fn inline(name: &str, bytes: &[u8], format: Format) -> SourceSpec {
    let spec = unsigned(Location::Inline(vec![(name.to_owned(), Bytes::copy_from_slice(bytes))]));
    SourceSpec { verification: Verification { format, ..Verification::none() }, ..spec }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_of_a_cvd_is_read_as_sigtool_reads_it() {
    let (setup, shop) = (Setup::new(), Workshop::new());
    let bytes = build(&shop, 7);
    let fetched = setup.fetch(&inline("daily.cud", &bytes, Format::None), None).await.unwrap();
    let head = fetched.files[0].cvd.clone().unwrap();
    let info = run(shop.path(), "sigtool", &["--info=daily.cud"]);
    for line in [
        format!("Build time: {}", head.built.replacen('-', ":", 1)),
        format!("Version: {}", head.version),
        format!("Signatures: {}", head.signatures),
        format!("Functionality level: {}", head.functionality_level),
        format!("Builder: {}", head.builder),
    ] {
        assert!(info.lines().any(|found| found == line), "{line}: {info}");
    }
    assert!(info.contains("Unsigned") && !head.is_signed && head.built_at.is_some(), "{head:?}");
    assert_eq!(fetched.upstream_version().as_deref(), Some("daily 7"));
    // What ClamAV did not sign is no CVD to be believed.
    for name in ["daily.cud", "daily.cvd"] {
        let spec = inline(name, &bytes, Format::Cvd);
        assert_eq!(reason(setup.fetch(&spec, None).await), Reason::SignatureMissing);
    }
    let other = inline("daily.ndb", b"Test.A:0:*:414243444546\n", Format::Cvd);
    assert_eq!(reason(setup.fetch(&other, None).await), Reason::SignatureMissing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cvd_that_is_damaged_or_none_is_refused() {
    let (setup, shop) = (Setup::new(), Workshop::new());
    let bytes = build(&shop, 7);
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for name in ["daily.cvd", "daily.db"] {
        let spec = inline(name, &damaged, Format::None);
        assert_eq!(reason(setup.fetch(&spec, None).await), Reason::ChecksumMismatch, "{name}");
    }
    let cut = inline("daily.cvd", &bytes[..bytes.len() - 1], Format::None);
    assert_eq!(reason(setup.fetch(&cut, None).await), Reason::ChecksumMismatch);
    let page = inline("daily.cvd", b"<html>Sign in to the network</html>", Format::None);
    assert_eq!(reason(setup.fetch(&page, None).await), Reason::UnsupportedFormat);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_cvd_is_refused_unless_it_is_pinned() {
    let (setup, shop) = (Setup::new(), Workshop::new());
    // Something in the place of the signature, which only libclamav can judge.
    let sign = |bytes: Vec<u8>| {
        let (head, body) = bytes.split_at(512);
        let head =
            String::from_utf8(head.to_vec()).unwrap().replace(":X:", &format!(":{}:", "s".repeat(170)));
        [format!("{:<512}", head.trim_end()).as_bytes(), body].concat()
    };
    let [old, new] = [7, 8].map(|version| sign(build(&shop, version)));
    let first = setup.fetch(&inline("daily.cvd", &new, Format::Cvd), None).await.unwrap();
    assert_eq!(
        (first.evidence.clone(), first.upstream_version().as_deref()),
        (Evidence::Cvd, Some("daily 8"))
    );
    let mut spec = inline("daily.cvd", &old, Format::Cvd);
    assert_eq!(reason(setup.fetch(&spec, Some(&first)).await), Reason::DowngradeRefused);
    spec.verification.sha256 = Some(ContentDigest::of(&old));
    let back = setup.fetch(&spec, Some(&first)).await.unwrap();
    assert_eq!(back.files[0].cvd.as_ref().unwrap().version, 7);
    assert!(setup.fetch(&inline("daily.cvd", &new, Format::Cvd), Some(&back)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_source_says_so() {
    let setup = Setup::new();
    let twice = vec![("a".to_owned(), Bytes::new()), ("a".to_owned(), Bytes::new())];
    let path = vec![("../a".to_owned(), Bytes::new())];
    for (location, expected) in [
        (Location::Inline(twice), Reason::Invalid),
        (Location::Inline(path), Reason::Invalid),
        (Location::Inline(vec![]), Reason::UnsupportedFormat),
    ] {
        assert_eq!(reason(setup.fetch(&unsigned(location), None).await), expected);
    }
    let large = vec![("a".to_owned(), Bytes::from(vec![0; (8 << 20) + 1]))];
    assert_eq!(reason(setup.fetch(&unsigned(Location::Inline(large)), None).await), Reason::TooLarge);
    let empty = setup.fetch(&inline("a.ndb", b"", Format::None), None).await.unwrap();
    assert_eq!(empty.size(), 0);
}
