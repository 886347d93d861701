//! What goes wrong, as a status and JSON. The only place where the status code of an error is chosen.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::report::ProblemJson;
use crate::model::Problem;
use crate::store::StoreError;

/// The original's answer to everything that is not data, in its key order.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    /// For people.
    pub message: String,
    /// `ok`, `error`, or what the route says.
    pub status: String,
}

impl StatusBody {
    /// It worked.
    #[must_use]
    pub fn ok(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: "ok".to_owned(),
        }
    }
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// For people.
    pub message: String,
    /// Always `error`.
    pub status: &'static str,
    /// All that is wrong with what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemJson>,
}

/// An answer that is an error.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    problems: Vec<Problem>,
    retry: bool,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            problems: Vec::new(),
            retry: false,
        }
    }

    /// 400: it cannot be understood.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: a token is needed.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 403: not in this way.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: there is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409: somebody else was faster.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 412: it is no longer what the client saw.
    #[must_use]
    pub fn stale(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// 413: too much.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 408: it came too slowly.
    #[must_use]
    pub fn too_slow(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, message)
    }

    /// 422: understood, and refused for these reasons.
    #[must_use]
    pub fn invalid(message: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self {
            problems,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        }
    }

    /// 503: not now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry: true,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// 500: a defect of ours.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The problems of a definition that is refused for them; any other error as it is.
    pub(super) fn into_problems(self) -> Result<Vec<Problem>, Self> {
        if self.problems.is_empty() {
            Err(self)
        } else {
            Ok(self.problems)
        }
    }

    /// The same with 400, as the original answers whatever is wrong with a set of definitions.
    #[must_use]
    pub fn as_bad_request(mut self) -> Self {
        self.status = StatusCode::BAD_REQUEST;
        self
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(_) | StoreError::Damaged(_) => Self::internal(error.to_string()),
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problems = self.problems.iter().map(ProblemJson::from).collect();
        let body = ErrorBody {
            message: self.message,
            status: "error",
            problems,
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.retry {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
