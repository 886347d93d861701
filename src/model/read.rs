//! Reading a definition's value into a struct, with the path of the field that does not fit.

use serde::de::DeserializeOwned;

use super::Problem;

/// Reads `value` into `T`; the problem names the field by its dotted path.
///
/// # Errors
/// The first field that has the wrong shape.
pub fn read_field_by_field<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|err| {
        let path = err.path().to_string();
        let field = if path == "." { String::new() } else { path };
        Problem::error(field, err.into_inner().to_string(), "")
    })
}
