//! Which service a path names, and how it treats messages.

use crate::identity::Identity;
use crate::options::{OptionsCache, allow_out};
use crate::url_lists::UrlLists;
use arc_swap::ArcSwap;
use icapstan_api::{DetectionHeaders, IcapService, ScanScope, ServiceMode};
use icapstan_icap_server::proto::Method;
use icapstan_model::{Epoch, GenerationId, IsTag, ScanPort};
use icapstan_policy::{Policy, Templates};
use icapstan_urls::Identity as ListIdentity;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use thiserror::Error;

/// One service, ready to serve.
#[derive(Debug)]
pub(crate) struct Service {
    /// Its path without slashes; names it in tags and logs.
    pub(crate) id: Arc<str>,
    /// Its path, for rules.
    pub(crate) path: Box<str>,
    pub(crate) methods: Vec<Method>,
    pub(crate) scope: ScanScope,
    /// Whose it is, for what is remembered of URLs.
    pub(crate) tenant: Box<str>,
    pub(crate) policy: Arc<Policy>,
    /// Bytes, or no previews.
    pub(crate) preview: Option<u32>,
    pub(crate) allow_no_content: bool,
    pub(crate) allow_partial_content: bool,
    /// Downloads may begin before their verdict.
    pub(crate) begins_early: bool,
    /// Seconds.
    pub(crate) options_ttl: u32,
    /// What OPTIONS is answered.
    pub(crate) options: OptionsCache,
    /// The names of all fields that answers may have.
    pub(crate) allow_out: String,
    /// Where URLs are looked up, if they are.
    pub(crate) url_lists: Option<UrlLists>,
    pub(crate) shared: Arc<Shared>,
    /// What a plan has it judge by; without a plan that follows from what scanners and lists are.
    pub(crate) pinned: Option<Pinned>,
    /// What of the settings decides.
    basis: [u8; 32],
    /// The tag of the generation and of the lists that were asked for last.
    tag: ArcSwap<(GenerationId, Option<ListIdentity>, IsTag)>,
}

/// What a plan has a service judge by, and name its answers after.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) istag: IsTag,
}

/// An epoch of a plan, for all services.
#[derive(Clone, Debug)]
pub struct Pins {
    /// One more with each epoch.
    pub number: u64,
    /// The signatures.
    pub epoch: Arc<Epoch>,
    /// The tag of each service, by its path without slashes around it.
    pub istags: BTreeMap<String, IsTag>,
}

/// Why there are no services.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum ServicesError {
    /// A service refers to a policy that is not there.
    #[error("there is no policy {0:?}")]
    NoPolicy(String),
    /// The plan knows nothing of a service.
    #[error("the plan has no ISTag for the service {0:?}")]
    NoTag(String),
}

/// What all services of one state of the settings share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Who users are.
    pub(crate) identity: Identity,
    /// What tells the service that is asked about URLs from others, if one is.
    pub(crate) asked: Option<[u8; 32]>,
    /// What answers say of threats.
    pub(crate) detection: DetectionHeaders,
    /// Looked at only when something is blocked.
    pub(crate) templates: Arc<Templates>,
    /// Where URLs are looked up.
    pub(crate) url_lists: UrlLists,
}

/// Services by path.
#[derive(Debug)]
pub(crate) struct Services {
    by_path: HashMap<String, Arc<Service>>,
    first: Option<Arc<Service>>,
    /// Of the epoch of a plan; 0 without one.
    number: u64,
}

/// Stands in the tag while no signatures are loaded.
const NO_SIGNATURES: GenerationId = GenerationId([0; 32]);

// === impl Service ===

impl Service {
    fn new(
        spec: &IcapService,
        policy: Arc<Policy>,
        shared: &Arc<Shared>,
        pins: Option<&Pins>,
    ) -> Result<Self, ServicesError> {
        let id: Arc<str> = spec.path.trim_matches('/').into();
        let methods = spec.modes.iter().map(|mode| match mode {
            ServiceMode::Reqmod => Method::Reqmod,
            ServiceMode::Respmod => Method::Respmod,
        });
        let (identity, asked) = (shared.identity.hash(), shared.asked);
        let basis = Decides { policy: policy.hash(), scope: spec.scan, identity, asked }.basis();
        let tag = tag(&NO_SIGNATURES, &basis, None, &id);
        let pin = |pins: &Pins| {
            let istag = pins.istags.get(&*id).ok_or_else(|| ServicesError::NoTag(id.to_string()))?;
            Ok(Pinned { epoch: Arc::clone(&pins.epoch), istag: *istag })
        };
        let pinned = pins.map(pin).transpose()?;
        Ok(Self {
            methods: methods.collect(),
            scope: spec.scan,
            tenant: spec.tenant.as_str().into(),
            preview: spec.preview.bytes(),
            allow_no_content: spec.allow204,
            allow_partial_content: spec.allow206,
            begins_early: spec.begins_early(),
            options_ttl: u32::try_from(spec.options_ttl.as_secs()).unwrap_or(u32::MAX),
            options: OptionsCache::new(),
            allow_out: allow_out(&shared.detection, &policy),
            tag: ArcSwap::from_pointee((NO_SIGNATURES, None, tag)),
            url_lists: spec.scan.url().then(|| shared.url_lists.clone()),
            shared: Arc::clone(shared),
            path: spec.path.as_str().into(),
            policy,
            pinned,
            basis,
            id,
        })
    }

    /// The tag of an answer that no scan is behind.
    pub(crate) fn istag_now(&self, port: &dyn ScanPort) -> IsTag {
        match &self.pinned {
            Some(pinned) => pinned.istag,
            None => self.istag(port.generation().as_ref()),
        }
    }

    /// The tag of answers that were judged by these signatures, where no plan says what it is.
    pub(crate) fn istag(&self, generation: Option<&GenerationId>) -> IsTag {
        let generation = *generation.unwrap_or(&NO_SIGNATURES);
        let lists = self.url_lists.as_ref().and_then(UrlLists::identity);
        let known = self.tag.load();
        if known.0 == generation && known.1 == lists {
            return known.2;
        }
        let tag = tag(&generation, &self.basis, lists, &self.id);
        self.tag.store(Arc::new((generation, lists, tag)));
        tag
    }
}

/// The tag of a service that judges by all these.
fn tag(generation: &GenerationId, basis: &[u8; 32], lists: Option<ListIdentity>, id: &str) -> IsTag {
    let Some(lists) = lists else { return IsTag::derive(generation, basis, id) };
    let mut hasher = blake3::Hasher::new_derive_key("icapstan settings and URL lists v1");
    hasher.update(basis);
    hasher.update(&lists.0);
    IsTag::derive(generation, hasher.finalize().as_bytes(), id)
}

/// What of the settings decides besides lists: the policy, what it is asked about, and who is believed.
pub(crate) struct Decides<'s> {
    pub(crate) policy: &'s [u8; 32],
    pub(crate) scope: ScanScope,
    pub(crate) identity: [u8; 32],
    /// What else is asked about URLs.
    pub(crate) asked: Option<[u8; 32]>,
}

impl Decides<'_> {
    pub(crate) fn basis(&self) -> [u8; 32] {
        let Self { policy, scope, identity, asked } = self;
        let mut hasher = blake3::Hasher::new_derive_key("icapstan settings of a service v1");
        hasher.update(*policy);
        hasher.update(&[scope.url().into(), scope.content().into()]);
        hasher.update(identity);
        if let Some(asked) = asked.filter(|_| scope.url()) {
            hasher.update(&asked);
        }
        *hasher.finalize().as_bytes()
    }
}

// === impl Services ===

impl Services {
    /// `policy` finds a policy by name. Without `pins` nobody plans.
    pub(crate) fn new(
        specs: &[IcapService],
        shared: &Arc<Shared>,
        policy: impl Fn(&str) -> Option<Arc<Policy>>,
        pins: Option<&Pins>,
    ) -> Result<Self, ServicesError> {
        let number = pins.map_or(0, |pins| pins.number);
        let mut services = Self { by_path: HashMap::new(), first: None, number };
        for spec in specs {
            let policy = policy(&spec.policy).ok_or_else(|| ServicesError::NoPolicy(spec.policy.clone()))?;
            let service = Arc::new(Service::new(spec, policy, shared, pins)?);
            for path in spec.paths() {
                services.by_path.insert(path.trim_matches('/').to_owned(), Arc::clone(&service));
            }
            services.first.get_or_insert(service);
        }
        Ok(services)
    }

    /// The service at `path`, written without slashes around it.
    pub(crate) fn find(&self, path: &str) -> Option<&Arc<Service>> {
        self.by_path.get(path)
    }

    /// Of the epoch of a plan; 0 without one.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// All services, once each, as many as have other paths too.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.by_path.iter().filter(|(path, service)| ***path == *service.id).map(|(_, service)| service)
    }

    /// Answers to messages that name no service carry its tag.
    pub(crate) fn first(&self) -> Option<&Service> {
        self.first.as_deref()
    }
}
