//! Where a run's page is.

use url::Url;

use crate::ids::RunId;
use crate::store::{self, Store};

/// The address of a run's page with the key that opens it; `None` when nobody said where we are reached.
pub(super) fn page(store: &Store, public_url: Option<&Url>, run: RunId) -> Result<Option<String>, store::Error> {
    let Some(mut url) = public_url.cloned() else { return Ok(None) };
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["runs", &run.to_string()]);
    }
    url.set_query(Some(&format!("k={}", store.page_key(run)?)));
    Ok(Some(url.into()))
}
