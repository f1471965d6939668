//! Who has artifacts.

use super::{Challenge, Layer, Manifest, Reference};
use crate::spec::web_url;
use crate::web::{Answer, Ask, Download, Downloaded, Web, refusal, small};
use crate::{Credential, Limits, OciPlace, Secret, SourceError};
use hyper::header::{ACCEPT, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use icapstan_api::fleet::ContentDigest;
use icapstan_artifacts::{Store, blocking};
use rustls::ClientConfig;
use serde::Deserialize;
use std::sync::Arc;
use url::Url;

/// An artifact, of which the manifest is known.
pub(crate) struct Registry<'a> {
    web: &'a Web,
    limits: &'a Limits,
    reference: Reference,
    base: Url,
    tls: Arc<ClientConfig>,
    /// What the registry wanted to hear.
    said: Vec<Credential>,
    pub(crate) manifest: Manifest,
    pub(crate) digest: ContentDigest,
}

/// The most bytes of what has a token.
const MAX_TOKEN_ANSWER: u64 = 64 << 10;
const MAX_TOKEN: usize = 16 << 10;

// === impl Registry ===

impl<'a> Registry<'a> {
    pub(crate) async fn open(
        web: &'a Web,
        place: &OciPlace,
        limits: &'a Limits,
    ) -> Result<Self, SourceError> {
        let reference: Reference = place
            .reference
            .parse()
            .map_err(|error: super::reference::ReferenceError| SourceError::Invalid(error.to_string()))?;
        let scheme = if place.insecure { "http" } else { "https" };
        let base = web_url(&format!("{scheme}://{}/v2/{}/", reference.registry, reference.repository))?;
        let tls = web.tls(place.ca.as_deref())?;
        let mut registry = Self {
            web,
            limits,
            base,
            tls,
            said: Vec::new(),
            manifest: Manifest { layers: Vec::new(), created: None },
            digest: ContentDigest([0; 32]),
            reference,
        };
        let bytes = registry.fetch_manifest(place).await?;
        registry.digest = ContentDigest::of(&bytes);
        if let Some(expected) = registry.reference.digest.filter(|digest| *digest != registry.digest) {
            let name = "the manifest".to_owned();
            return Err(SourceError::Digest { name, expected, found: registry.digest });
        }
        registry.manifest = Manifest::parse(&bytes).map_err(|error| SourceError::Answer {
            host: registry.reference.registry.clone(),
            what: error.to_string(),
        })?;
        Ok(registry)
    }

    /// Whether it is named by its digest.
    pub(crate) fn is_pinned(&self) -> bool {
        self.reference.digest.is_some()
    }

    async fn fetch_manifest(&mut self, place: &OciPlace) -> Result<Vec<u8>, SourceError> {
        let url = self.url(&format!("manifests/{}", self.reference.wanted()))?;
        let fields = vec![(ACCEPT, HeaderValue::from_static(Manifest::ACCEPT))];
        let mut answer = self.ask(&url, fields.clone(), &[]).await?;
        if answer.response.status() == 401 {
            self.said = self.authorize(&answer, place).await?;
            answer = self.ask(&url, fields, &self.said).await?;
        }
        match answer.response.status().as_u16() {
            200 => small(answer, "the manifest", Manifest::MAX_BYTES, self.limits.pace).await,
            status => Err(refusal(&answer.host, status, &place.reference)),
        }
    }

    /// What the registry wants to hear from now on.
    async fn authorize(&self, answer: &Answer, place: &OciPlace) -> Result<Vec<Credential>, SourceError> {
        let asked = answer.response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = asked.filter_map(|value| value.to_str().ok()).find_map(Challenge::parse);
        let refused = || SourceError::Authentication { host: answer.host.clone(), status: 401 };
        // The user has said that this registry is asked without TLS; so whoever it sends to may be.
        let mine: Vec<_> = place
            .credentials
            .iter()
            .map(|one| Credential { plain: one.plain || place.insecure, ..one.clone() })
            .collect();
        match challenge.ok_or_else(refused)? {
            Challenge::Basic => Ok(mine),
            Challenge::Bearer { realm, service, scope } => {
                let mut url = web_url(&realm).map_err(|_| refused())?;
                if url.scheme() != "https" && !place.insecure {
                    return Err(refused());
                }
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.reference.repository));
                {
                    let mut query = url.query_pairs_mut();
                    if let Some(service) = &service {
                        query.append_pair("service", service);
                    }
                    query.append_pair("scope", &scope);
                }
                let answer = self.ask(&url, Vec::new(), &mine).await?;
                let status = answer.response.status().as_u16();
                if status != 200 {
                    return Err(refusal(&answer.host, status, "a token"));
                }
                let host = answer.host.clone();
                let bytes = small(answer, "the token", MAX_TOKEN_ANSWER, self.limits.pace).await?;
                let token = token(&bytes)
                    .ok_or(SourceError::Answer { host, what: "there is no token in it".to_owned() })?;
                let authority = self.reference.registry.clone();
                Ok(vec![Credential {
                    hosts: vec![authority],
                    plain: place.insecure,
                    secret: Secret::Bearer(token),
                }])
            }
        }
    }

    async fn ask(
        &self,
        url: &Url,
        fields: Vec<(HeaderName, HeaderValue)>,
        credentials: &[Credential],
    ) -> Result<Answer, SourceError> {
        let ask = Ask { url, fields, credentials, tls: &self.tls, limits: self.limits };
        self.web.get(&ask).await
    }

    fn url(&self, path: &str) -> Result<Url, SourceError> {
        web_url(&format!("{}{path}", self.base))
    }

    pub(crate) fn layer(&self, name: &str) -> Option<&Layer> {
        self.manifest.layers.iter().find(|layer| layer.name == name)
    }

    /// Into the store, if it is not there.
    pub(crate) async fn put(&self, store: &Store, layer: &Layer, limit: u64) -> Result<(), SourceError> {
        let name = layer.name.as_str();
        if layer.artifact.size > limit {
            return Err(SourceError::TooLarge { name: name.to_owned(), limit });
        }
        if store.path(&layer.artifact.digest).is_some() {
            return Ok(());
        }
        let fault = |source| SourceError::Store { name: name.to_owned(), source };
        let (of_store, artifact) = (store.clone(), layer.artifact);
        let writer = blocking(move || of_store.resume(&artifact)).await.ok_or(SourceError::Stopped)?;
        let mut writer = writer.map_err(fault)?;
        if writer.written() < artifact.size {
            let download = Download {
                name,
                url: &self.url(&format!("blobs/{}", artifact.digest))?,
                credentials: &self.said,
                tls: &self.tls,
                limits: self.limits,
                max_bytes: artifact.size,
                known: None,
                is_fixed: true,
            };
            writer = match self.web.download(&download, writer).await? {
                Downloaded::Done(writer, _) => *writer,
                Downloaded::NotModified => return Err(SourceError::Missing(name.to_owned())),
            };
        }
        blocking(move || writer.finish()).await.ok_or(SourceError::Stopped)?.map(drop).map_err(fault)
    }
}

/// `token`, or `access_token` as OAuth has it.
fn token(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Given {
        token: Option<String>,
        access_token: Option<String>,
    }
    let given: Given = serde_json::from_slice(bytes).ok()?;
    let token = given.token.filter(|token| !token.is_empty()).or(given.access_token)?;
    let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && !token.is_empty() && token.len() <= MAX_TOKEN).then_some(token)
}
