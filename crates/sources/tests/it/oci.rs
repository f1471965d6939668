//! Artifacts from a registry, pushed by skopeo; and from registries that mean harm.

use crate::peer::{Peer, send};
use crate::support::{Daemon, Setup, reason, run, unsigned};
use icapstan_api::fleet::ContentDigest;
use icapstan_sources::{
    Credential, Evidence, Fetched, Location, OciPlace, Outcome, Reason, Secret, SourceError, SourceSpec,
};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A registry, and what it takes to push to it.
struct Registry {
    folder: TempDir,
    daemon: Daemon,
    login: Option<&'static str>,
}

impl Registry {
    fn start(login: Option<&'static str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {at}/data}}}}\n\
             http: {{addr: \"127.0.0.1:0\"}}\n"
        );
        if let Some((user, password)) = login.and_then(|login| login.split_once(':')) {
            // bcrypt is what it reads; the least cost will do.
            let hash =
                bcrypt::hash_with_result(password, 4).unwrap().format_for_version(bcrypt::Version::TwoY);
            fs::write(folder.path().join("htpasswd"), format!("{user}:{hash}\n")).unwrap();
            let _ = writeln!(config, "auth: {{htpasswd: {{realm: tests, path: {at}/htpasswd}}}}");
        }
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let daemon =
            Daemon::start(folder.path(), "docker-registry", &["serve", "config.yml"], "listening on");
        Self { folder, daemon, login }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.daemon.port("127.0.0.1:"))
    }

    /// Pushes an artifact, as `oras push` would make it; its digest.
    fn push(&self, tag: &str, created: &str, files: &[(&str, &str)]) -> ContentDigest {
        let (layout, digest) = layout(self.folder.path(), tag, &manifest(created, files), files);
        let from = format!("oci:{layout}:{tag}");
        let to = format!("docker://{}/team/signatures:{tag}", self.host());
        let login = self.login.map(|login| format!("--dest-creds={login}"));
        let mut arguments =
            vec!["copy", "--preserve-digests", "--insecure-policy", "--dest-tls-verify=false"];
        arguments.extend(login.as_deref());
        arguments.extend([from.as_str(), to.as_str()]);
        run(self.folder.path(), "skopeo", &arguments);
        digest
    }

    fn spec(&self, which: &str, credentials: Vec<Credential>) -> SourceSpec {
        oci(&format!("{}/team/signatures{which}", self.host()), credentials)
    }
}

fn oci(reference: &str, credentials: Vec<Credential>) -> SourceSpec {
    let reference = reference.to_owned();
    unsigned(Location::Oci(OciPlace { reference, credentials, insecure: true, ca: None }))
}

fn basic(host: &str, user: &str, password: &str) -> Credential {
    let (user, password) = (user.to_owned(), password.to_owned());
    Credential { hosts: vec![host.to_owned()], plain: false, secret: Secret::Basic { user, password } }
}

fn manifest(created: &str, files: &[(&str, &str)]) -> String {
    let descriptor =
        |text: &str| format!(r#""digest":"{}","size":{}"#, ContentDigest::of(text.as_bytes()), text.len());
    let layers: Vec<_> = files
        .iter()
        .map(|(name, text)| {
            format!(
                r#"{{"mediaType":"application/octet-stream",{},"annotations":{{"org.opencontainers.image.title":"{name}"}}}}"#,
                descriptor(text)
            )
        })
        .collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "artifactType":"application/vnd.icapstan.signatures","config":{{"mediaType":"application/vnd.oci.empty.v1+json",{}}},
        "layers":[{}],"annotations":{{"org.opencontainers.image.created":"{created}"}}}}"#,
        descriptor("{}"),
        layers.join(",")
    )
}

/// An OCI image layout with one artifact.
fn layout(folder: &Path, tag: &str, manifest: &str, files: &[(&str, &str)]) -> (String, ContentDigest) {
    let layout = folder.join("layout");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for text in files.iter().map(|(_, text)| *text).chain(["{}", manifest]) {
        fs::write(blobs.join(ContentDigest::of(text.as_bytes()).hex()), text).unwrap();
    }
    let digest = ContentDigest::of(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}",
        "size":{},"annotations":{{"org.opencontainers.image.ref.name":"{tag}"}}}}]}}"#,
        manifest.len()
    );
    fs::write(layout.join("index.json"), index).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    (layout.display().to_string(), digest)
}

const NEW: &str = "2026-11-24T02:00:00Z";
const OLD: &str = "2026-11-23T02:00:00Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn artifacts_come_by_tag_and_by_digest() {
    let (setup, registry) = (Setup::new(), Registry::start(None));
    let old = registry.push("daily", OLD, &[("a.ndb", "A1"), ("b.yar", "B")]);
    let first = setup.fetch(&registry.spec(":daily", vec![]), None).await.unwrap();
    assert_eq!((first.revision.clone(), first.files.len()), (old.to_string(), 2));
    assert_eq!((setup.read(&first, "a.ndb"), setup.read(&first, "b.yar")), (b"A1".to_vec(), b"B".to_vec()));
    assert_eq!((first.evidence.clone(), first.upstream_version().as_deref()), (Evidence::None, Some(OLD)));
    let same = setup.fetch(&registry.spec(":daily", vec![]), Some(&first)).await.unwrap();
    assert_eq!(same.outcome, Outcome::NotModified);
    let new = registry.push("daily", NEW, &[("a.ndb", "A2"), ("b.yar", "B")]);
    let second = setup.fetch(&registry.spec(":daily", vec![]), Some(&same)).await.unwrap();
    assert_eq!((second.outcome, second.revision.clone()), (Outcome::Fetched, new.to_string()));
    // Back, by moving the tag: refused. By the digest: meant.
    registry.push("daily", OLD, &[("a.ndb", "A1"), ("b.yar", "B")]);
    let back = setup.fetch(&registry.spec(":daily", vec![]), Some(&second)).await;
    assert_eq!(reason(back), Reason::DowngradeRefused);
    let pinned = registry.spec(&format!("@{old}"), vec![]);
    let back = setup.fetch(&pinned, Some(&second)).await.unwrap();
    assert_eq!((back.evidence.clone(), back.digest()), (Evidence::Pinned, first.digest()));
    let missing = setup.fetch(&registry.spec(":nothing", vec![]), None).await;
    assert!(matches!(missing, Err(SourceError::Missing(_))), "{missing:?}");
    let missing = setup.fetch(&registry.spec(&format!("@{}", ContentDigest::of(b"")), vec![]), None).await;
    assert!(matches!(missing, Err(SourceError::Missing(_))), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_hears_the_password_when_it_asks() {
    let (setup, registry) = (Setup::new(), Registry::start(Some("robot:p4ss")));
    registry.push("daily", NEW, &[("a.ndb", "A")]);
    let host = registry.host();
    let good = registry.spec(":daily", vec![basic(&host, "robot", "p4ss")]);
    assert_eq!(setup.read(&setup.fetch(&good, None).await.unwrap(), "a.ndb"), b"A");
    for credentials in
        [vec![], vec![basic(&host, "robot", "wrong")], vec![basic("other:5000", "robot", "p4ss")]]
    {
        let result = setup.fetch(&registry.spec(":daily", credentials), None).await;
        assert_eq!(reason(result), Reason::AuthenticationFailed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_lie_in_layers_beside_their_files() {
    let (setup, registry) = (Setup::new(), Registry::start(None));
    let shop = tempfile::tempdir().unwrap();
    run(shop.path(), "minisign", &["-G", "-W", "-p", "key.pub", "-s", "key.key"]);
    fs::write(shop.path().join("a.ndb"), "A").unwrap();
    run(shop.path(), "minisign", &["-S", "-s", "key.key", "-m", "a.ndb"]);
    let signature = fs::read_to_string(shop.path().join("a.ndb.minisig")).unwrap();
    let key = fs::read_to_string(shop.path().join("key.pub")).unwrap();
    registry.push("signed", NEW, &[("a.ndb", "A"), ("a.ndb.minisig", &signature)]);
    registry.push("forged", NEW, &[("a.ndb", "X"), ("a.ndb.minisig", &signature)]);
    let fetch = async |tag| {
        let mut spec = registry.spec(tag, vec![]);
        spec.verification = crate::support::signed_by(icapstan_sources::Format::Minisign, &[&key]);
        setup.fetch(&spec, None).await
    };
    let fetched = fetch(":signed").await.unwrap();
    assert!(matches!(fetched.evidence, Evidence::Signed(_)) && fetched.files.len() == 1, "{fetched:?}");
    assert_eq!(reason(fetch(":forged").await), Reason::SignatureInvalid);
}

/// A registry of one artifact that a test makes up.
fn made_up(answer: impl Fn(&str, &mut std::net::TcpStream) -> bool + Send + Sync + 'static) -> Peer {
    let manifest = manifest(NEW, &[("a.ndb", "A")]);
    Peer::start(move |_, head, stream| {
        if answer(head, stream) {
            return;
        }
        let body = if head.contains("/manifests/") { manifest.as_str() } else { "A" };
        send(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    })
}

async fn from(peer: &Peer, credentials: Vec<Credential>) -> Result<Fetched, SourceError> {
    let host = peer.base().replace("http://", "");
    Setup::new().fetch(&oci(&format!("{host}/a/b:c"), credentials), None).await
}

fn not_found(stream: &mut std::net::TcpStream) {
    send(stream, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_where_the_registry_says_and_told_to_it_alone() {
    let storage = Peer::start(|_, head, stream| {
        assert!(!head.contains("authorization"), "{head}");
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA");
    });
    let tokens = Peer::start(|_, head, stream| {
        assert!(
            head.starts_with("get /token?account=x&service=r&scope=repository%3aa%2fb%3apull http"),
            "{head}"
        );
        // robot:p4ss
        let is_known = head.contains("authorization: basic cm9ib3q6cdrzcw==");
        let body = if is_known { r#"{"token":"Known"}"# } else { r#"{"access_token":"anyone"}"# };
        send(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    });
    let realm = tokens.base().replace("127.0.0.1", "localhost");
    let blobs = storage.base().replace("127.0.0.1", "localhost");
    let registry = made_up(move |head, stream| {
        assert!(!head.contains("basic"), "{head}");
        if !head.contains("authorization: bearer ") {
            let challenge = format!(
                "Bearer realm=\"{realm}/token?account=x\",service=\"r\",scope=\"repository:a/b:pull\""
            );
            send(
                stream,
                format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"),
            );
        } else if !head.contains("bearer known") {
            send(stream, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        } else if head.contains("/blobs/") {
            send(stream, format!("HTTP/1.1 307 Go\r\nLocation: {blobs}/x\r\nContent-Length: 0\r\n\r\n"));
        } else {
            return false;
        }
        true
    });
    let host = registry.base().replace("http://", "");
    // Who gives tokens is another host, and hears the password only if it is named.
    assert_eq!(
        reason(from(&registry, vec![basic(&host, "robot", "p4ss")]).await),
        Reason::AuthenticationFailed
    );
    let there = tokens.base().replace("http://127.0.0.1", "localhost");
    from(&registry, vec![basic(&there, "robot", "p4ss")]).await.unwrap();
    assert_eq!((storage.served(), tokens.served()), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_registry_says_is_checked() {
    let wrong_blob = made_up(|head, stream| {
        head.contains("/blobs/") && send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX")
    });
    assert_eq!(reason(from(&wrong_blob, vec![]).await), Reason::ChecksumMismatch);
    let long_blob =
        made_up(|head, stream| head.contains("/blobs/") && send(stream, "HTTP/1.1 200 OK\r\n\r\nAA"));
    assert_eq!(reason(from(&long_blob, vec![]).await), Reason::TooLarge);
    let no_blob = made_up(|head, stream| {
        let is_blob = head.contains("/blobs/");
        if is_blob {
            not_found(stream);
        }
        is_blob
    });
    assert_eq!(reason(from(&no_blob, vec![]).await), Reason::FetchFailed);
    // Another manifest than the one that was named.
    let other = made_up(|_, _| false);
    let host = other.base().replace("http://", "");
    let named = oci(&format!("{host}/a/b:c@{}", ContentDigest::of(b"")), vec![]);
    assert_eq!(reason(Setup::new().fetch(&named, None).await), Reason::ChecksumMismatch);
    for (body, expected) in
        [("<html>", Reason::FetchFailed), (r#"{"schemaVersion":2,"manifests":[]}"#, Reason::FetchFailed)]
    {
        let odd = made_up(move |_, stream| {
            send(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        });
        assert_eq!(reason(from(&odd, vec![]).await), expected, "{body}");
    }
    let large = made_up(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\n\r\n");
        while send(stream, vec![b' '; 0x10000]) {}
        true
    });
    assert_eq!(reason(from(&large, vec![]).await), Reason::TooLarge);
    for reference in ["a:b", "registry.example/x", "registry.example/X:y"] {
        let spec = oci(reference, vec![]);
        assert_eq!(reason(Setup::new().fetch(&spec, None).await), Reason::Invalid, "{reference}");
    }
}
