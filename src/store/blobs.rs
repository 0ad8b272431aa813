//! What a run keeps beside its state: summaries, logs, patches. They are written by the door, named by a keyed hash.

use super::Error;
use super::crypt::Purpose;
use super::open::Store;
use super::rows::{body_place, half};
use crate::ids::RunId;

/// The name of a blob within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(pub [u8; 16]);

/// How much of the keyed hash stands in a page's address.
const PAGE_KEY_BYTES: usize = 16;

impl Store {
    /// The name of a body. Without the instance's secret nobody can tell from it what the body was.
    ///
    /// # Errors
    /// Before [`Store::migrate`].
    pub fn blob_key(&self, run: RunId, body: &[u8]) -> Result<BlobKey, Error> {
        Ok(BlobKey(half(self.crypt()?.mac(Purpose::Blob, &[&run.bytes(), body]))))
    }

    /// A keyed hash for a purpose: push tokens, keys of pages, unique keys.
    ///
    /// # Errors
    /// Before [`Store::migrate`].
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> Result<[u8; 32], Error> {
        Ok(self.crypt()?.mac(purpose, parts))
    }

    /// `k` of the page of a run: who has it may read the page. 128 bits are beyond guessing, and fit a line.
    ///
    /// # Errors
    /// Before [`Store::migrate`].
    pub fn page_key(&self, run: RunId) -> Result<String, Error> {
        let mac = self.mac(Purpose::Page, &[&run.installation.0.to_be_bytes(), &run.bytes()])?;
        Ok(hex::encode(mac.split_at(PAGE_KEY_BYTES).0))
    }

    /// Reads a blob.
    ///
    /// # Errors
    /// When the database does not answer, or the blob cannot be opened.
    pub async fn blob(&self, run: RunId, key: BlobKey) -> Result<Option<Vec<u8>>, Error> {
        let Some(data_key) = self.run_key(run).await? else { return Ok(None) };
        let Some(body) = on!(self, blobs::get(run, key))? else { return Ok(None) };
        data_key.open(body_place("run_blob", &run, &key.0), &body).map(Some)
    }
}
