//! pages
use axum::extract::State;
use axum::response::Response;
/// p
#[derive(Clone)]
pub struct Pages;
/// u
pub fn page_url() {}
pub(super) async fn run(State(_): State<Pages>) -> Response { Response::default() }
