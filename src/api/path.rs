//! The parts of an address that name something.

use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;

use super::error::ApiError;

/// As axum's; but what cannot be read is answered as every other error is.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(super) struct Path<T>(pub(super) T);

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}
