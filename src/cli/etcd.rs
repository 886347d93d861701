//! Flags that say where etcd is, for all commands; and what is made of them.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::values;
use crate::model::Secret;
use crate::store::EtcdOptions;

/// The list of endpoints before the command, and after it. Two arguments: of a global one clap keeps what was said last.
const BEFORE: &str = "etcd_members";
const AFTER: &str = "etcd_members_after";

#[derive(Debug, clap::Args)]
pub(super) struct EtcdArgs {
    /// Top of all keys in etcd
    #[arg(
        short = 'p',
        long,
        global = true,
        env = "NINEV_ETCD_PREFIX",
        default_value = "9volt",
        value_name = "PREFIX"
    )]
    pub(super) etcd_prefix: String,
    /// etcd endpoints, as a comma list or repeated; without any, the embedded store is used
    #[arg(short = 'e', long, env = "NINEV_ETCD_MEMBERS", action = ArgAction::Append, value_name = "URL")]
    etcd_members: Vec<String>,
    /// User and password for etcd; the password may hold colons
    #[arg(short = 'U', long, global = true, env = "NINEV_ETCD_USERPASS", value_name = "USER:PASSWORD", hide_env_values = true, value_parser = secret)]
    etcd_userpass: Option<Secret>,
    /// File (PEM) with the certificates that etcd's must come from [default: the system's]
    #[arg(long, global = true, env = "NINEV_ETCD_CA", value_name = "FILE")]
    etcd_ca: Option<PathBuf>,
    /// File (PEM) with our certificate for etcd
    #[arg(long, global = true, env = "NINEV_ETCD_CERT", value_name = "FILE")]
    etcd_cert: Option<PathBuf>,
    /// File (PEM) with its key
    #[arg(long, global = true, env = "NINEV_ETCD_KEY", value_name = "FILE")]
    etcd_key: Option<PathBuf>,
    /// Whether the command line names endpoints, not a variable
    #[arg(skip)]
    pub(super) named: bool,
}

/// Never fails: what clap refuses it prints, and this must not be printed.
#[expect(clippy::unnecessary_wraps, reason = "the shape that clap wants")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Gives every command the list of endpoints too.
pub(super) fn also_after(command: Command) -> Command {
    let before = command.get_arguments().find(|arg| arg.get_id() == BEFORE).cloned();
    let Some(before) = before else { return command };
    let after = before.id(AFTER).env(None::<&str>);
    command.mut_subcommands(|command| give(command, &after))
}

fn give(command: Command, arg: &Arg) -> Command {
    // The name says where it goes: `help` takes no flags.
    if command.get_name() == "help" {
        return command;
    }
    command.arg(arg.clone()).mut_subcommands(|command| give(command, arg))
}

impl EtcdArgs {
    /// Takes the endpoints from before the command and from after it; those of the variable only if there are none.
    pub(super) fn gather(&mut self, matches: &ArgMatches) {
        let mut named = Vec::new();
        let mut level = Some(matches);
        while let Some(here) = level {
            for id in [BEFORE, AFTER] {
                if here.try_contains_id(id).is_ok() && here.value_source(id) == Some(ValueSource::CommandLine) {
                    named.extend(here.get_many::<String>(id).into_iter().flatten().cloned());
                }
            }
            level = here.subcommand().map(|(_, below)| below);
        }
        self.named = !named.is_empty();
        if self.named {
            self.etcd_members = named;
        }
    }

    /// What was said about etcd; none if no endpoint was.
    pub(super) fn options(&self) -> anyhow::Result<Option<EtcdOptions>> {
        let endpoints = values::list(&self.etcd_members);
        let options = self.options_for(endpoints, self.etcd_prefix.clone())?;
        Ok((!options.endpoints.is_empty()).then_some(options))
    }

    /// The same user and files, at other endpoints.
    pub(super) fn options_for(&self, endpoints: Vec<String>, prefix: String) -> anyhow::Result<EtcdOptions> {
        Ok(EtcdOptions {
            endpoints,
            prefix,
            user: self.user()?,
            ca: self.etcd_ca.clone(),
            cert: self.etcd_cert.clone(),
            key: self.etcd_key.clone(),
        })
    }

    /// As the original wants it, except that the password may hold colons.
    pub(super) fn user(&self) -> anyhow::Result<Option<(String, Secret)>> {
        let Some(given) = &self.etcd_userpass else {
            return Ok(None);
        };
        match given.reveal().split_once(':') {
            Some((user, password)) if !user.is_empty() => Ok(Some((user.to_owned(), Secret::new(password)))),
            _ => anyhow::bail!("Bad username/password passed, must be of format 'username:password'"),
        }
    }

    /// For commands that ask a server and cannot do what they do without one.
    pub(super) fn refuse(&self, command: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.named,
            "`9volt {command}` asks a running server (--server URL), not etcd; leave out -e"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn members(line: &str) -> Vec<String> {
        let cli = parse(line.split(' ').map(Into::into).collect()).unwrap();
        let options = cli.global.etcd.options().unwrap();
        options.map(|options| options.endpoints).unwrap_or_default()
    }

    #[test]
    fn endpoints_count_before_and_after_the_command_as_lists_and_repeated() {
        assert_eq!(
            members("9volt -e http://a:1 server -e http://b:2"),
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(members("9volt -e a:1,b:2 -e c:3 server"), ["a:1", "b:2", "c:3"]);
        assert_eq!(
            members("9volt server -ea:1 --etcd-members=b:2,c:3"),
            ["a:1", "b:2", "c:3"]
        );
        assert_eq!(
            members("9volt -e a:1 silence -e b:2 list -e c:3"),
            ["a:1", "b:2", "c:3"]
        );
        assert!(members("9volt server").is_empty());
    }

    #[test]
    fn a_password_may_hold_colons_and_is_not_shown() {
        let cli = parse(
            ["9volt", "-U", "root:a:b", "server", "-e", "a:1"]
                .map(Into::into)
                .to_vec(),
        )
        .unwrap();
        let (user, password) = cli.global.etcd.options().unwrap().unwrap().user.unwrap();
        assert_eq!((user.as_str(), password.reveal()), ("root", "a:b"));
        assert!(!format!("{cli:?}").contains("a:b"));
        // The mistake is ours to tell: clap would print the value.
        for wrong in ["hunter2", ":hunter2"] {
            let cli = parse(["9volt", "-U", wrong, "server"].map(Into::into).to_vec()).unwrap();
            let error = cli.global.etcd.options().unwrap_err();
            assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
        }
    }

    #[test]
    fn files_and_prefix_are_read_after_the_command_too() {
        let line = "9volt -p x server -e a:1 --etcd-ca ca.pem --etcd-cert c.pem --etcd-key k.pem";
        let cli = parse(line.split(' ').map(Into::into).collect()).unwrap();
        let options = cli.global.etcd.options().unwrap().unwrap();
        assert_eq!(options.prefix, "x");
        assert!(options.ca.is_some() && options.cert.is_some() && options.key.is_some());
    }
}
