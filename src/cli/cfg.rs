//! `9volt cfg DIR`.

use super::{CfgArgs, DONE, Global};

pub(super) fn run(_global: &Global, _args: &CfgArgs) -> anyhow::Result<u8> {
    Ok(DONE)
}
