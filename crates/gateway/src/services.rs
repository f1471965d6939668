//! Which service a path names, and how it treats messages.

use icapstan_api::{IcapService, ScanScope, ServiceMode};
use icapstan_icap_server::proto::Method;
use icapstan_model::{GenerationId, IsTag};
use icapstan_policy::Policy;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// One service, ready to serve.
#[derive(Debug)]
pub(crate) struct Service {
    /// Its path without slashes; names it in tags and logs.
    pub(crate) id: String,
    pub(crate) methods: Vec<Method>,
    pub(crate) scope: ScanScope,
    pub(crate) policy: Arc<Policy>,
    /// Bytes, or no previews.
    pub(crate) preview: Option<u32>,
    pub(crate) allow_no_content: bool,
    pub(crate) allow_partial_content: bool,
    /// Seconds.
    pub(crate) options_ttl: u32,
    /// The tag of the generation that was asked for last.
    tag: Mutex<(GenerationId, IsTag)>,
}

/// Services by path.
#[derive(Debug)]
pub(crate) struct Services {
    by_path: HashMap<String, Arc<Service>>,
    /// Answers to messages that name no service carry its tag.
    first: Option<Arc<Service>>,
}

/// Stands in the tag while no signatures are loaded.
const NO_SIGNATURES: GenerationId = GenerationId([0; 32]);

// === impl Service ===

impl Service {
    fn new(spec: &IcapService, policy: Arc<Policy>) -> Self {
        let id = spec.path.trim_matches('/').to_owned();
        let methods = spec.modes.iter().map(|mode| match mode {
            ServiceMode::Reqmod => Method::Reqmod,
            ServiceMode::Respmod => Method::Respmod,
        });
        let tag = IsTag::derive(&NO_SIGNATURES, policy.hash(), &id);
        Self {
            methods: methods.collect(),
            scope: spec.scan,
            preview: spec.preview.bytes(),
            allow_no_content: spec.allow204,
            allow_partial_content: spec.allow206,
            options_ttl: u32::try_from(spec.options_ttl.as_secs()).unwrap_or(u32::MAX),
            tag: Mutex::new((NO_SIGNATURES, tag)),
            policy,
            id,
        }
    }

    /// The tag of answers that were judged by these signatures.
    pub(crate) fn istag(&self, generation: Option<&GenerationId>) -> IsTag {
        let generation = *generation.unwrap_or(&NO_SIGNATURES);
        let mut known = self.tag.lock();
        if known.0 != generation {
            *known = (generation, IsTag::derive(&generation, self.policy.hash(), &self.id));
        }
        known.1
    }
}

// === impl Services ===

impl Services {
    /// `policy` finds a policy by name; `Err` is the name of one that does not exist.
    pub(crate) fn new(
        specs: &[IcapService],
        policy: impl Fn(&str) -> Option<Arc<Policy>>,
    ) -> Result<Self, String> {
        let mut services = Self { by_path: HashMap::new(), first: None };
        for spec in specs {
            let policy = policy(&spec.policy).ok_or_else(|| spec.policy.clone())?;
            let service = Arc::new(Service::new(spec, policy));
            services.first.get_or_insert_with(|| Arc::clone(&service));
            for path in spec.paths() {
                services.by_path.insert(path.trim_matches('/').to_owned(), Arc::clone(&service));
            }
        }
        Ok(services)
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Arc<Service>> {
        self.by_path.get(path)
    }

    pub(crate) fn first(&self) -> Option<&Arc<Service>> {
        self.first.as_ref()
    }
}
