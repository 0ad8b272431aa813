//! Blobs.

use sqlx::Row as _;

use super::{Conn, Error, first};
use crate::ids::RunId;
use crate::store::blobs::BlobKey;

statements! {
    GET = "SELECT body FROM run_blob WHERE installation = ? AND run = ? AND mac = ?";
}

/// Reads a blob.
pub(in crate::store) async fn get(conn: &mut Conn, run: RunId, key: BlobKey) -> Result<Option<Vec<u8>>, Error> {
    let row = first(conn, sql!(GET, run.installation.0, run.bytes().to_vec(), key.0.to_vec())).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}
