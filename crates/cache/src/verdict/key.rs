//! What a verdict is remembered by.

use blake3::{Hash, Hasher};
use icapstan_model::{Epoch, ScanContext, ScanProfile, SignatureSet, Unpack, VERDICT_VERSION};
use std::fmt;

/// All that decides what a scan finds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// Makes keys. Those of two secrets have nothing in common, so nobody who does not know it can prepare
/// objects whose keys meet, in whatever part.
pub(super) struct Keys {
    of_contents: [u8; 32],
    of_objects: [u8; 32],
}

/// Fields one behind the other, in a way that can be read in one way only.
struct Fields(Hasher);

// === impl Keys ===

impl Keys {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self {
            of_contents: blake3::derive_key("icapstan verdict cache: contents v1", secret),
            of_objects: blake3::derive_key("icapstan verdict cache: objects v1", secret),
        }
    }

    /// What a content is hashed with.
    pub(super) fn hasher(&self) -> Hasher {
        Hasher::new_keyed(&self.of_contents)
    }

    /// The key of an object with this content.
    pub(super) fn key(&self, content: &Hash, len: u64, context: &ScanContext, epoch: &Epoch) -> Key {
        // Taken apart by name, so that a new field cannot be forgotten.
        // Equal objects of two traces are equal.
        let ScanContext { mode, content_encoding, content_types, partial, profile, trace: _ } = context;
        let ScanProfile {
            max_object_size,
            max_total_size,
            timeout,
            max_depth,
            max_files,
            unpack: Unpack { packed, archives, mail, mail_databases },
            heuristics,
            phishing,
            macros,
            // Decides whether there is a key.
            cache: _,
        } = **profile;
        // The date says nothing that the bytes, which `id` is a digest of, do not; that of files of one's own is
        // another on each machine.
        let SignatureSet { id, count, test_only, engine, released: _ } = &epoch.signatures;

        let mut fields = Fields(Hasher::new_keyed(&self.of_objects));
        fields.number(VERDICT_VERSION.into());
        fields.bytes(content.as_bytes());
        fields.number(len.into());
        fields.bytes(mode.as_str().as_bytes());
        fields.bytes(content_encoding.as_bytes());
        fields.number(content_types.len() as u128);
        for value in content_types {
            fields.bytes(value.as_bytes());
        }
        fields.flags(&[*partial]);
        for number in [max_object_size, max_total_size, max_depth.into(), max_files.into()] {
            fields.number(number.into());
        }
        fields.number(timeout.as_nanos());
        fields.flags(&[packed, archives, mail, mail_databases, phishing, macros]);
        fields.number((heuristics as u8).into());
        fields.bytes(&id.0);
        fields.number((*count).into());
        fields.flags(&[*test_only]);
        fields.bytes(engine.as_bytes());
        Key(*fields.0.finalize().as_bytes())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

// === impl Key ===

impl Key {
    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Spreads keys over `count` places.
    pub(super) fn place(self, count: usize) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]])) % count
    }

    #[cfg(test)]
    pub(super) fn of(number: u64) -> Self {
        Self(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

// === impl Fields ===

impl Fields {
    fn number(&mut self, number: u128) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u128);
        self.0.update(bytes);
    }

    /// As many as there are in any object.
    fn flags<const N: usize>(&mut self, flags: &[bool; N]) {
        self.0.update(&flags.map(u8::from));
    }
}

#[cfg(test)]
mod tests;
