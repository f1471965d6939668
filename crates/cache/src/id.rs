//! What tells one URL of one tenant from all others.

use std::fmt;

/// A digest of a tenant and a URL. Other URLs, and the same one of other tenants, have another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub [u8; 32]);

// === impl Id ===

impl Id {
    /// That of `url` as [`exact_url`](crate::exact_url) has it.
    pub fn of(tenant: &str, url: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        // Tenants have no blank in their name, so that no two pairs are alike.
        hasher.update(tenant.as_bytes());
        hasher.update(b" ");
        hasher.update(url.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", blake3::Hash::from_bytes(self.0).to_hex())
    }
}
