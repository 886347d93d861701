//! Bodies of requests: bounded in size (413) and in time (408), JSON whatever the content type says.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;

/// A body is here within this time.
const BODY_WITHIN: Duration = Duration::from_secs(20);
/// Nobody sends a large body and then waits for the answer to a small question: the bulk routes take longer.
const BULK_BODY_WITHIN: Duration = Duration::from_secs(120);

/// A whole body.
pub(super) struct RawBody(pub(super) Bytes);

/// A whole body of a route that may carry all definitions there are.
pub(super) struct BulkBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, state, BODY_WITHIN).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for BulkBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, state, BULK_BODY_WITHIN).await.map(Self)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S, within: Duration) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(within, Bytes::from_request(request, state)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ApiError::too_large("the body is too large"))
        }
        Ok(Err(_)) => Err(ApiError::bad_request("the body ended early")),
        Err(_) => Err(ApiError::too_slow("the body came too slowly")),
    }
}

/// The first JSON value; what follows it is ignored, as the original does.
pub(super) fn first_value(body: &[u8]) -> Result<Value, ApiError> {
    first(body).map_err(|why| ApiError::bad_request(format!("Unable to complete config parsing: {why}")))
}

fn first(body: &[u8]) -> Result<Value, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err("EOF".to_owned());
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    Value::deserialize(&mut json).map_err(|error| error.to_string())
}

/// A body of one shape; unknown fields are refused.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))?;
    if !value.is_object() {
        // A list would be taken for the fields in their order.
        return Err(ApiError::bad_request("the body has to be an object"));
    }
    // The message of a wrong type quotes the value, and the value may be a secret: the path says enough.
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner().to_string();
        let what = inner
            .split(": ")
            .nth(1)
            .filter(|_| inner.starts_with("invalid"))
            .map_or(inner.as_str(), |_| "has the wrong type");
        ApiError::bad_request(if path == "." {
            format!("the body {what}")
        } else {
            format!("`{path}` {what}")
        })
    })
}
