//! Where state lives when nobody says.

use std::path::PathBuf;

/// The platform's state directory for this program: what systemd gives (`STATE_DIRECTORY`), else `/var/lib/9volt` for root, else
/// `$XDG_STATE_HOME/9volt` or `~/.local/state/9volt` (on macOS `~/Library/Application Support/9volt`).
#[must_use]
pub fn default_data_dir() -> PathBuf {
    choose(
        &|name| std::env::var_os(name).map(PathBuf::from),
        nix::unistd::geteuid().is_root(),
        cfg!(target_os = "macos"),
    )
}

fn choose(env: &dyn Fn(&str) -> Option<PathBuf>, root: bool, macos: bool) -> PathBuf {
    // systemd joins several with colons; the first is ours.
    if let Some(given) = env("STATE_DIRECTORY") {
        let text = given.to_string_lossy();
        return PathBuf::from(text.split(':').next().unwrap_or_default());
    }
    if root && !macos {
        return PathBuf::from("/var/lib/9volt");
    }
    let home = env("HOME").unwrap_or_else(|| PathBuf::from("."));
    if macos {
        return home.join("Library/Application Support/9volt");
    }
    env("XDG_STATE_HOME")
        .filter(|p| p.is_absolute())
        .unwrap_or_else(|| home.join(".local/state"))
        .join("9volt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vars: &[(&str, &str)], root: bool, expected: &str) {
        let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v));
        assert_eq!(choose(&env, root, false), PathBuf::from(expected));
    }

    #[test]
    fn the_state_directory_is_the_platforms() {
        check(&[("HOME", "/home/me")], false, "/home/me/.local/state/9volt");
        check(
            &[("HOME", "/home/me"), ("XDG_STATE_HOME", "/state")],
            false,
            "/state/9volt",
        );
        check(&[("HOME", "/root")], true, "/var/lib/9volt");
        check(
            &[("STATE_DIRECTORY", "/var/lib/private/9volt:/x"), ("HOME", "/")],
            false,
            "/var/lib/private/9volt",
        );
    }
}
