//! An object store for tests: S3 over a folder, whose folders are the buckets. Signatures and digests of requests are
//! checked; what is not there whole is not there.

use anyhow::{Context as _, anyhow};
use clap::Parser;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Serves until it is ended.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 for any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Whose signatures are believed
    #[arg(long, value_name = "ID")]
    access_key: String,
    /// What they are made with
    #[arg(long, value_name = "KEY")]
    secret_key: String,
    /// The certificate to show, in PEM: then all is TLS
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The folder
    #[arg(value_name = "DIR")]
    root: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(Args::parse()))
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let files = FileSystem::new(&args.root).map_err(|error| anyhow!("{error:?}"))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(args.access_key, args.secret_key));
    let service = builder.build();
    let acceptor = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => Some(acceptor(cert, key)?),
        _ => None,
    };
    let root: Arc<Path> = args.root.into();
    let listener = TcpListener::bind(args.listen).await.context("the address is taken")?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let (service, acceptor, root) = (service.clone(), acceptor.clone(), Arc::clone(&root));
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) => {
                    // A peer that does not believe the certificate goes away.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, service, root).await;
                    }
                }
                None => answer(stream, service, root).await,
            }
        });
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, service: S3Service, root: Arc<Path>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
        let is_there = root.join(bucket).is_dir();
        let service = service.clone();
        // That one would make the bucket.
        async move { if is_there { service.call(request.map(s3s::Body::from)).await } else { Ok(no_bucket()) } }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        println!("a connection broke: {error}");
    }
}

/// As AWS says it.
fn no_bucket() -> Response<s3s::Body> {
    const TEXT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
    let mut response = Response::new(s3s::Body::from(TEXT.to_owned()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn acceptor(cert: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(icapstan_tls::certificates(cert)?, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
