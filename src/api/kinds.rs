//! `/api/v1/kinds`: what can be checked and where it can be told, with the schema that forms are drawn from.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::parts::ApiState;
use crate::model::{AlerterSettings, MonitorSettings};
use crate::{alerters, monitors};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A kind.
#[derive(Serialize, ToSchema)]
struct KindObject {
    kind: &'static str,
    /// One sentence.
    summary: &'static str,
    /// A complete file, YAML with comments.
    example: &'static str,
    /// JSON schema of a whole definition.
    #[schema(value_type = Object)]
    schema: Value,
}

/// All kinds.
#[derive(Serialize, ToSchema)]
struct Kinds {
    monitors: Vec<KindObject>,
    alerters: Vec<KindObject>,
}

/// Compiled in, so worked out once.
static KINDS: LazyLock<String> = LazyLock::new(|| {
    let monitors = monitors::KINDS.iter().map(|kind| KindObject {
        kind: kind.name,
        summary: kind.summary,
        example: kind.example,
        schema: whole(kind.name, (kind.schema)(), schemars::schema_for!(MonitorSettings)),
    });
    let alerters = alerters::KINDS.iter().map(|kind| KindObject {
        kind: kind.name,
        summary: kind.summary,
        example: kind.example,
        schema: with_options(kind.name, (kind.schema)()),
    });
    let kinds = Kinds {
        monitors: monitors.collect(),
        alerters: alerters.collect(),
    };
    // Plain data: writing it cannot fail.
    serde_json::to_string(&kinds).unwrap_or_default()
});

/// What can be checked and where it can be told.
#[utoipa::path(get, path = "/api/v1/kinds", tag = "kinds", responses((status = 200, body = Kinds)))]
async fn list() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], KINDS.as_str()).into_response()
}

/// The kind's own keys, then those that all share.
fn whole(kind: &str, own: schemars::Schema, shared: schemars::Schema) -> Value {
    let (mut own, mut shared) = (own.to_value(), shared.to_value());
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut defs = Map::new();
    for schema in [&mut own, &mut shared] {
        properties.extend(take_map(schema, "properties"));
        defs.extend(take_map(schema, "$defs"));
        if let Some(Value::Array(names)) = schema.get_mut("required").map(Value::take) {
            required.extend(names);
        }
    }
    properties.insert("type".to_owned(), json!({ "const": kind }));
    json!({"type": "object", "properties": properties, "required": required, "$defs": defs})
}

fn with_options(kind: &str, own: schemars::Schema) -> Value {
    let mut options = own.to_value();
    // References point to the root of the whole schema.
    let defs = take_map(&mut options, "$defs");
    let mut whole = whole(
        kind,
        schemars::Schema::default(),
        schemars::schema_for!(AlerterSettings),
    );
    whole["properties"]["options"] = options;
    if let Some(all) = whole["$defs"].as_object_mut() {
        all.extend(defs);
    }
    whole
}

fn take_map(schema: &mut Value, key: &str) -> Map<String, Value> {
    match schema.get_mut(key).map(Value::take) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
