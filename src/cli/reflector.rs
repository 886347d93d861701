//! What the flags of the reflector mean.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;

use super::{ReflectorArgs, values};
use crate::app::ReflectorOptions;
use crate::mesh::reflecting::Networks;
use crate::mesh::wire::Key;
use crate::model::Secret;

impl ReflectorArgs {
    pub(super) fn options(&self) -> anyhow::Result<ReflectorOptions> {
        let listen = values::list(&self.reflector_listen);
        Ok(ReflectorOptions {
            listen: listen.iter().map(|text| address(text)).collect::<Result<_, _>>()?,
            networks: Networks::parse(&values::list(&self.reflector_allow)).context("--reflector-allow")?,
            key: self.reflector_key_file.as_deref().map(key).transpose()?,
        })
    }
}

/// An address of this machine: which one a name means may change, and what is bound does not.
fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let address = values::listen(text).map_err(anyhow::Error::msg)?;
    address
        .parse()
        .map_err(|_| anyhow::anyhow!("--reflector-listen: `{text}` is no address; write for example `10.0.0.1:862`"))
}

/// The key in a file. A last line's end is not part of it.
pub(super) fn key(path: &Path) -> anyhow::Result<Key> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Key::new(&Secret::new(text)).with_context(|| path.display().to_string())
}
