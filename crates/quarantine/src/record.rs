//! What is sealed: a line that says what this is, what is known of the object as one line of JSON, and its bytes.

use crate::age::{HeaderError, Identity, Opener, Recipient, Seal, Sealer};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use thiserror::Error;

const MAGIC: &str = "icapstan-quarantine/1\n";

/// No line of metadata is longer, in bytes.
const MAX_METADATA: usize = 256 * 1024;

/// What is known of an object. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// What it is called in the quarantine.
    pub id: String,
    /// When it was offered (RFC 3339).
    pub time: String,
    /// The transaction, as logs name it.
    pub transaction: String,
    /// The service's id.
    pub service: String,
    /// The ICAP method.
    pub mode: String,
    /// The policy that decided.
    pub policy: String,
    /// The strongest verdict.
    pub verdict: String,
    /// Why, if something broke.
    pub reason: String,
    /// What was found.
    pub threats: Vec<String>,
    /// What the message was about, without user and password.
    pub url: String,
    /// The HTTP method.
    pub method: String,
    /// The HTTP status, of responses.
    pub status: Option<u16>,
    /// The user's machine.
    pub client: String,
    /// The ICAP client.
    pub peer: String,
    /// The user.
    pub user: String,
    /// The signatures that decided.
    pub generation: String,
    /// The header fields that say what the content is, as they came.
    pub headers: Vec<(String, String)>,
    /// How many bytes follow.
    pub length: u64,
    /// Whether that is all of the object. Else it is its beginning.
    pub complete: bool,
    /// Of the bytes that follow.
    pub sha256: String,
}

/// Why an object that was kept cannot be read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// What stands in front.
    #[error("the object cannot be opened")]
    Header(#[from] HeaderError),
    /// What follows.
    #[error("the object cannot be read")]
    Read(#[from] io::Error),
    /// It was sealed by something else.
    #[error("this is no object of a quarantine")]
    Malformed,
}

/// Seals `metadata` and `content`.
pub fn write_record<W: Write>(
    recipients: &[Recipient],
    metadata: &Metadata,
    content: &mut impl Read,
    out: W,
) -> io::Result<W> {
    let mut sealer = Sealer::new(&Seal::new(recipients)?, out)?;
    sealer.write_all(&front(metadata)?)?;
    let copied = io::copy(content, &mut sealer)?;
    debug_assert!(metadata.length == 0 || metadata.length == copied);
    sealer.finish()
}

/// What stands in front of the content.
pub(crate) fn front(metadata: &Metadata) -> io::Result<Vec<u8>> {
    let mut front = MAGIC.as_bytes().to_vec();
    serde_json::to_writer(&mut front, metadata)?;
    front.push(b'\n');
    Ok(front)
}

/// The content of an object that was opened.
pub type Content<R> = BufReader<Opener<BufReader<R>>>;

/// Opens what [`write_record`] sealed: what is known, and the content. That is whole only if its end is reached
/// without an error.
pub fn read_record<R: Read>(
    sealed: R,
    identities: &[Identity],
) -> Result<(Metadata, Content<R>), RecordError> {
    let mut content = BufReader::new(Opener::new(BufReader::new(sealed), identities)?);
    let mut magic = Vec::new();
    content.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    if magic != MAGIC.as_bytes() {
        return Err(RecordError::Malformed);
    }
    let mut line = Vec::new();
    content.by_ref().take(MAX_METADATA as u64).read_until(b'\n', &mut line)?;
    let metadata = serde_json::from_slice(&line).map_err(|_| RecordError::Malformed)?;
    Ok((metadata, content))
}
