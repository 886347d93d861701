//! The command line: the only place that names clap, and the only one that prints.

mod alerter;
mod cfg;
mod check;
mod client;
mod decide;
mod etcd;
mod generate;
mod member;
mod original;
mod probe;
mod reflector;
mod server;
mod silence;
mod store;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::model::MemberId;
use crate::telemetry::{self, LogFormat};
use etcd::EtcdArgs;

/// A distributed check scheduler: monitors, alerts, and a page that shows them.
#[derive(Debug, Parser)]
#[command(
    name = "9volt",
    disable_version_flag = true,
    max_term_width = 110,
    args_override_self = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that all commands take, before or after the command.
#[derive(Debug, clap::Args)]
struct Global {
    #[command(flatten)]
    etcd: EtcdArgs,
    /// Serve the page from the source tree (ui/dist) instead of the embedded one
    #[arg(short = 'u', long, global = true)]
    debug_ui: bool,
    /// Log more
    #[arg(short = 'd', long, global = true, env = "NINEV_DEBUG", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = values::go_bool, hide_default_value = true, value_name = "BOOL")]
    debug: bool,
    /// Form of log lines
    #[arg(
        long,
        global = true,
        env = "NINEV_LOG_FORMAT",
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    log_format: Format,
    /// Where state is kept [default: the platform's state directory]
    #[arg(long, global = true, env = "NINEV_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Whether the command line said where, not a variable
    #[arg(skip)]
    data_dir_named: bool,
    /// A running server, for commands that talk to one
    #[arg(
        long,
        global = true,
        env = "NINEV_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    server: String,
    /// Whether the command line names it
    #[arg(skip)]
    server_named: bool,
    /// Access token for that server
    #[arg(
        long,
        global = true,
        env = "NINEV_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    /// Print the version
    #[arg(short = 'v', long, global = true, action = ArgAction::SetTrue)]
    version: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A variable that is set to nothing counts as not set, as in the original: `NINEV_DEBUG=` in a compose file is no error.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let strip = |arg: clap::Arg| match arg.get_env().and_then(std::env::var_os) {
        Some(value) if value.is_empty() => arg.env(None::<&str>),
        _ => arg,
    };
    command
        .mut_args(strip)
        .mut_subcommands(|command| command.mut_args(strip))
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a member: checks, alerts, API and page
    Server(ServerArgs),
    /// Bring the store in line with a directory of YAML files
    Cfg(CfgArgs),
    /// Run a check once, now, and explain it
    Check(CheckArgs),
    /// Send probes to a reflector of STAMP or TWAMP light: what is lost, on which way, and how long it takes
    Probe(ProbeArgs),
    /// Mute alerts for a time
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Look at the members of the cluster, drain them, weigh them
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Look at alerters and try them
    #[command(subcommand)]
    Alerter(AlerterCommand),
    /// Bring what a store holds into a file or into another store
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Print a man page, shell completions, or the reference of all kinds
    #[command(subcommand)]
    Generate(GenerateCommand),
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Address of the API and the page; `:8080` is all addresses
    #[arg(short, long, env = "NINEV_LISTEN_ADDRESS", default_value = "0.0.0.0:8080", value_parser = values::listen, value_name = "HOST:PORT")]
    listen: String,
    /// Tags of this member, as a comma list
    #[arg(short, long, env = "NINEV_MEMBER_TAGS", action = ArgAction::Append, value_name = "TAGS")]
    tags: Vec<String>,
    /// Tokens that open the API, as a comma list; without any, the API is open
    #[arg(short, long, env = "NINEV_ACCESS_TOKENS", action = ArgAction::Append, hide_env_values = true, value_name = "TOKENS")]
    access_tokens: Vec<String>,
    /// Keep the store in line with this directory: at the start and on every change of it
    #[arg(long, env = "NINEV_CONFIGS", value_name = "DIR")]
    configs: Option<PathBuf>,
    /// Id of this member [default: random, kept in the data directory]
    #[arg(long, env = "NINEV_MEMBER_ID", value_parser = values::member_id, value_name = "ID")]
    member_id: Option<MemberId>,
    /// Where people reach this server: links in alerts point there
    #[arg(long, env = "NINEV_BASE_URL", value_name = "URL")]
    base_url: Option<String>,
    /// Let the API create exec monitors: whoever reaches the API may then run commands here
    #[arg(long, env = "NINEV_ALLOW_EXEC_FROM_API", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = values::go_bool, hide_default_value = true, value_name = "BOOL")]
    allow_exec_from_api: bool,
    /// End rather than wait when the store does not answer at the start
    #[arg(long, env = "NINEV_REQUIRE_STORE", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = values::go_bool, hide_default_value = true, value_name = "BOOL")]
    require_store: bool,
    /// Address on which other members talk to this one, with etcd [default: the API's host, and its port plus 1000]
    #[arg(long, env = "NINEV_PEER_LISTEN", value_parser = values::listen, value_name = "HOST:PORT")]
    peer_listen: Option<String>,
    /// Where other members reach that address [default: the address of this host that leads to etcd]
    #[arg(long, env = "NINEV_ADVERTISE", value_name = "HOST[:PORT]")]
    advertise: Option<String>,
    /// Places of which one can be reached from here unless this member is cut off from everything, as a comma list [default: those of the
    /// alerters, else the gateway]
    #[arg(long, env = "NINEV_SELF_TEST", action = ArgAction::Append, value_name = "HOST:PORT")]
    self_test: Vec<String>,
    /// How long a member tells nobody while it has no store and cannot ask everybody who has; or `never`: it never tells then
    #[arg(long, env = "NINEV_ISOLATED_AFTER", default_value = "60s", value_parser = values::or_never, value_name = "DURATION")]
    isolated_after: values::OrNever,
    /// This member's share of the work, against those of the others [default: the number of cores]
    #[arg(long, env = "NINEV_WEIGHT", value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    weight: Option<u32>,
    /// Threads that run checks [default: one for every two cores]
    #[arg(long, env = "NINEV_LANES", value_name = "N")]
    lanes: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    reflector: ReflectorArgs,
}

/// Answering probes of the network.
#[derive(Debug, clap::Args)]
struct ReflectorArgs {
    /// Answer STAMP and TWAMP light probes (RFC 8762) there, as a comma list: `0.0.0.0:862,[::]:862`; `:862` is all addresses of IPv4
    /// [default: nowhere]
    #[arg(long, env = "NINEV_REFLECTOR_LISTEN", action = ArgAction::Append, value_name = "IP:PORT")]
    reflector_listen: Vec<String>,
    /// Networks whose probes are answered, as a comma list; those of this machine itself always are
    #[arg(long, env = "NINEV_REFLECTOR_ALLOW", action = ArgAction::Append, value_name = "CIDR")]
    reflector_allow: Vec<String>,
    /// Answer only probes that are signed with the key in this file (HMAC-SHA-256; 16 octets or more, without the line's end)
    #[arg(long, env = "NINEV_REFLECTOR_KEY_FILE", value_name = "FILE")]
    reflector_key_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct CfgArgs {
    /// Directory with `.yaml` files, searched recursively
    dir: PathBuf,
    /// Write every entry, even where the store holds an equal one
    #[arg(short, long)]
    replace: bool,
    /// Do not remove entries that the directory does not have
    #[arg(short, long)]
    nosync: bool,
    /// Change nothing, only show what would be done
    #[arg(long)]
    dryrun: bool,
    /// Go ahead although most of the store would be removed
    #[arg(short, long)]
    yes: bool,
    /// Take unknown keys for errors
    #[arg(long)]
    strict: bool,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
    /// The other way round: write the definitions that the original 9volt keeps in etcd into DIR, through etcd's API v2 at these endpoints; -p,
    /// -U, --etcd-ca, --etcd-cert and --etcd-key as always. `9volt cfg import --etcd-v2 URL` makes a directory `import`
    #[arg(long, value_name = "URL", conflicts_with_all = ["replace", "nosync", "dryrun", "yes", "strict", "json"])]
    etcd_v2: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// A monitor of the server, or a YAML file
    name_or_file: String,
    /// Of a file with several monitors, only this one
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ProbeArgs {
    /// The reflector; without a port, 862
    #[arg(value_name = "HOST[:PORT]")]
    target: String,
    /// Probes of each flow
    #[arg(short, long, default_value = "10", value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    count: u64,
    /// From one probe of a flow to the next; 100µs is the least
    #[arg(short, long, default_value = "100ms", value_name = "DURATION")]
    interval: crate::model::Dur,
    /// What takes longer is late, and lost until it comes
    #[arg(long, default_value = "1s", value_name = "DURATION")]
    timeout: crate::model::Dur,
    /// Flows, each from a source port of its own: they may take several ways through the network
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256), value_name = "N")]
    flows: u16,
    /// Octets of a probe, up to 9000 [default: 44, with a key 112]
    #[arg(long, value_name = "OCTETS")]
    size: Option<usize>,
    /// Sign probes with the key in this file, and take only answers that are signed with it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SilenceCommand {
    /// Mute alerts of what matches
    Add(SilenceAddArgs),
    /// Show silences
    List {
        /// Expired ones too
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a silence
    Remove {
        /// Its id
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct SilenceAddArgs {
    /// `name=web`, `tag=prod`, `type!=exec`, `name~web-*` (glob), `name=~web-[0-9]+` (regex); all have to match
    #[arg(required = true, value_name = "MATCHER")]
    matchers: Vec<String>,
    /// For how long (`1h`, `2d`)
    #[arg(long, default_value = "1h", value_name = "DURATION", conflicts_with = "until")]
    duration: crate::model::Dur,
    /// Until when (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// From when (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Why
    #[arg(short, long, default_value = "")]
    comment: String,
    /// Who asks for it
    #[arg(long, env = "USER", default_value = "")]
    author: String,
}

#[derive(Debug, Subcommand)]
enum AlerterCommand {
    /// Show alerters
    List,
    /// Send a marked test message and say what the far end answered
    Test {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum GenerateCommand {
    /// The manual page, in roff
    Man,
    /// Completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Every kind of monitor and alerter with all its keys, in Markdown
    Reference,
}

/// Everything went well.
const DONE: u8 = 0;
/// There were problems; what could be done was done, or nothing was started.
const PROBLEMS: u8 = 1;
/// Refused: it would have removed too much.
const REFUSED: u8 = 2;

/// Parses, runs, and maps to an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // The version needs no command, and clap would ask for one.
    if args.len() == 2 && (args[1] == "-v" || args[1] == "--version") {
        print(&format!("{}\n", telemetry::version_line()));
        return ExitCode::from(DONE);
    }
    let cli = match parse(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help is no error; a wrong command line ends as the original's does.
            let code = if error.use_stderr() { PROBLEMS } else { DONE };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    if cli.global.version {
        print(&format!("{}\n", telemetry::version_line()));
        return ExitCode::from(DONE);
    }
    let format = match cli.global.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    telemetry::start(format, cli.global.debug);
    // Of `check` the exit code is a verdict, and 1 would be one.
    let failed = match cli.command {
        Command::Check(_) => check::NOT_MADE,
        _ => PROBLEMS,
    };
    let code = match cli.command {
        Command::Server(args) => server::run(&cli.global, args),
        Command::Cfg(args) => cfg::run(&cli.global, &args),
        Command::Check(args) => check::run(&cli.global, &args),
        Command::Probe(args) => probe::run(&args),
        Command::Silence(command) => silence::run(&cli.global, command),
        Command::Member(command) => member::run(&cli.global, command),
        Command::Alerter(command) => alerter::run(&cli.global, &command),
        Command::Store(command) => store::run(&cli.global, command),
        Command::Generate(command) => generate::run(&command),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("9volt: {error:#}"));
            ExitCode::from(failed)
        }
    }
}

/// The command line as clap knows it.
fn command() -> clap::Command {
    etcd::also_after(without_empty_variables(Cli::command()))
}

fn parse(args: Vec<std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(negated(args))?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.global.data_dir_named = named(&matches, "data_dir");
    cli.global.server_named = named(&matches, "server");
    cli.global.etcd.gather(&matches);
    Ok(cli)
}

/// The original's parser takes `--no-debug` for `--debug=false`; so do we, for its switches.
fn negated(args: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let mut kept = Vec::with_capacity(args.len());
    for arg in args {
        match arg.to_str() {
            Some("--no-debug") => kept.push("--debug=false".into()),
            // Off is their default, and nothing but the flag itself turns them on.
            Some("--no-debug-ui" | "--no-replace" | "--no-nosync" | "--no-dryrun") => {}
            _ => kept.push(arg),
        }
    }
    kept
}

/// Whether the command line itself gives a flag, before or after the command.
fn named(matches: &clap::ArgMatches, flag: &str) -> bool {
    let here = matches.value_source(flag) == Some(clap::parser::ValueSource::CommandLine);
    here || matches.subcommand().is_some_and(|(_, below)| named(below, flag))
}

/// Prints to standard output. A reader that has gone away is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a line to standard error.
fn complain(line: &str) {
    use std::io::Write;
    // A reader that has gone away is no error here either; `eprintln!` would panic.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A runtime for commands that talk to a server or run a check.
fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_of_the_original_are_read_before_and_after_the_command() {
        let parse = |line: &str| parse(line.split(' ').map(Into::into).collect()).unwrap();
        let cli = parse("9volt -e http://a:1,http://b:2 -p x -d server -l :81 -t foo,bar -a t1");
        assert_eq!(cli.global.etcd.etcd_prefix, "x");
        assert!(cli.global.debug);
        assert!(!parse("9volt server --no-debug").global.debug);
    }
}
