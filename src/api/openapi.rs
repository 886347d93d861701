//! `/openapi.json`: the description of all routes, made from their code.

use std::sync::OnceLock;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::parts::ApiState;

/// What is said of the API as a whole.
pub(super) fn head() -> OpenApi {
    let info = InfoBuilder::new()
        .title("9volt")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Everything about the checks of a 9volt cluster. Any member answers for all of it. \
             Where the server runs with access tokens, every call below /api/v1 needs one.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ));
    let key = |value: ApiKey| SecurityScheme::ApiKey(value);
    let components = ComponentsBuilder::new()
        .security_scheme("token", key(ApiKey::Header(ApiKeyValue::new("X-Access-Token"))))
        .security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        )
        .security_scheme("cookie", key(ApiKey::Cookie(ApiKeyValue::new("ninevolt_token"))));
    let none: [&str; 0] = [];
    let any = ["token", "bearer", "cookie"].map(|name| SecurityRequirement::new(name, none));
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components.build()))
        .security(Some(any))
        .build()
}

/// The description, as text: two spaces per level, a line break at the end.
#[must_use]
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document = super::routes().into_openapi();
        complete_operations(&mut document);
        // Plain data: writing it cannot fail.
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        format!("{text}\n")
    })
}

/// Handlers are named within their files; an operation's id has to be unique in the whole description.
fn complete_operations(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let words = path
            .split(['/', '{', '}', '.'])
            .filter(|word| !word.is_empty() && *word != "api" && *word != "v1");
        let words = words.collect::<Vec<_>>().join("_");
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{words}").trim_end_matches('_').to_owned());
                describe(operation);
            }
        }
    }
}

/// The standard wants every answer described; where the handler says nothing, its status does.
fn describe(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        let reason = status
            .parse::<StatusCode>()
            .ok()
            .and_then(|status| status.canonical_reason());
        if let (RefOr::T(answer), Some(reason)) = (answer, reason)
            && answer.description.is_empty()
        {
            answer.description = reason.to_owned();
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "api", responses((status = 200, body = Object)))]
async fn show() -> Response {
    let cache = (header::CACHE_CONTROL, "no-cache");
    ([(header::CONTENT_TYPE, "application/json"), cache], document()).into_response()
}
