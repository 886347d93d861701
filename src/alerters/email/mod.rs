//! E-mail by SMTP.

mod addresses;
mod cram;
mod message;
mod session;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;

use super::kind::{Alerter, DeliveryCx, DeliveryError, Receipt};
use super::lenient;
use crate::model::{Notification, Problem, Secret, WallMs};

/// The port on which TLS begins at once, by registration.
const SMTPS: u16 = 465;

/// Mail to one or more people.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Email {
    /// Recipients, separated by commas or as a list; `Name <address>` works too.
    #[serde(default, deserialize_with = "lenient::texts")]
    to: Vec<String>,
    /// Further recipients in `Cc`. Default: none.
    #[serde(default, deserialize_with = "lenient::texts")]
    cc: Vec<String>,
    /// Sender. Default: `9volt-alerter@` and the name of this machine.
    #[serde(default, deserialize_with = "lenient::text")]
    from: Option<String>,
    /// The mail server as `host:port`.
    #[serde(default, deserialize_with = "lenient::text")]
    address: Option<String>,
    /// Name to sign in with; needs `password`. Default: not signing in.
    #[serde(default, deserialize_with = "lenient::text")]
    username: Option<String>,
    /// Password to sign in with.
    #[serde(default, deserialize_with = "lenient::secret")]
    password: Option<Secret>,
    /// How to sign in: `plain`, `login`, or `cram-md5` (also `md5`). Default: `plain`, or `login` where the server offers only that.
    #[serde(default, deserialize_with = "lenient::text")]
    auth: Option<String>,
    /// Encryption: `starttls` (where the server offers it), `starttls-required`, `implicit` or `none`. Default: `implicit` on port 465, else `starttls`.
    #[serde(default)]
    tls: Option<Tls>,
    /// Path of a PEM file with the certificates to trust instead of the system's.
    #[serde(default, deserialize_with = "lenient::text")]
    ca: Option<String>,
    /// Accept any certificate. Default: `false`.
    #[serde(default, deserialize_with = "lenient::boolean")]
    skip_verify: bool,
}

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Tls {
    /// Where the server offers it, as the original did. Passwords wait for it in any case.
    Starttls,
    /// A server that does not offer it gets no mail.
    StarttlsRequired,
    /// From the first byte.
    Implicit,
    /// Never.
    None,
}

/// How to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Auth {
    /// `PLAIN`, or `LOGIN` where that is all there is.
    Any,
    Plain,
    Login,
    CramMd5,
}

impl Alerter for Email {
    const KIND: &'static str = "email";
    const SUMMARY: &'static str = "Sends mail to one or more people by SMTP.";
    const EXAMPLE: &'static str = include_str!("example.yaml");
    const HAS_KEY: bool = false;

    fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.to.iter().all(|t| t.trim().is_empty()) {
            problems.push(Problem::error(
                "to",
                "`to` must be present in options",
                "name at least one recipient",
            ));
        } else if let Err(wrong) = addresses::mailboxes(&self.to) {
            problems.push(Problem::error(
                "to",
                wrong,
                "write for example `ann@example.org, bob@example.org`",
            ));
        }
        if let Err(wrong) = addresses::mailboxes(&self.cc) {
            problems.push(Problem::error(
                "cc",
                wrong,
                "write for example `ann@example.org, bob@example.org`",
            ));
        }
        if let Some(Err(wrong)) = self.from.as_deref().map(addresses::mailbox) {
            problems.push(Problem::error("from", wrong, "write for example `9volt@example.org`"));
        }
        match self.address.as_deref().map(addresses::HostPort::parse) {
            Some(Ok(_)) => {}
            Some(Err(wrong)) => problems.push(Problem::error(
                "address",
                wrong,
                "write for example `smtp.example.org:587`",
            )),
            None => problems.push(Problem::error(
                "address",
                "`address` must be present in options",
                "write for example `smtp.example.org:587`",
            )),
        }
        problems.extend(self.sign_in_problems());
        problems
    }

    fn place(&self) -> Option<String> {
        let address = self.address.as_deref()?;
        addresses::HostPort::parse(address).ok()?;
        Some(address.trim().to_owned())
    }

    async fn deliver(&self, cx: &DeliveryCx, note: &Notification) -> Result<Receipt, DeliveryError> {
        // What is wrong with the options was said when they were loaded; the original said it only here.
        let auth = self.auth().map_err(DeliveryError::never)?;
        let wrong = |field: &'static str| move |wrong| DeliveryError::never(format!("`{field}`: {wrong}"));
        let to = addresses::mailboxes(&self.to).map_err(wrong("to"))?;
        let cc = addresses::mailboxes(&self.cc).map_err(wrong("cc"))?;
        let from = self.sender().map_err(wrong("from"))?;
        let address = self.address.as_deref().unwrap_or_default();
        let server = addresses::HostPort::parse(address).map_err(wrong("address"))?;
        if to.is_empty() {
            return Err(DeliveryError::never("`to` names nobody"));
        }

        let mail = message::Mail::of(note, &from, &to, &cc, WallMs::now())?;
        let mut session = session::Session::open(cx.deadline, &server, self.encryption(&server)).await?;
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            session.sign_in(auth, username, password).await?;
        }
        let response = session.send(&mail).await?;
        session.quit().await;
        Ok(Receipt {
            response,
            reference: Some(note.reference.clone().unwrap_or(mail.id)),
        })
    }
}

impl Email {
    fn auth(&self) -> Result<Auth, String> {
        match self.auth.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => Ok(Auth::Any),
            Some("plain") => Ok(Auth::Plain),
            Some("login") => Ok(Auth::Login),
            Some("md5" | "cram-md5") => Ok(Auth::CramMd5),
            Some(other) => Err(format!("`auth` is `{other}`, but has to be plain, login or cram-md5")),
        }
    }

    fn sign_in_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        // Only a warning: the original's own example file says `plain | md5` here, and it has to load.
        if let Err(wrong) = self.auth() {
            problems.push(Problem::warning(
                "auth",
                format!("{wrong}; no mail can be sent like this"),
                "choose one of them",
            ));
        }
        match (&self.username, &self.password) {
            (Some(_), None) => problems.push(Problem::error(
                "password",
                "`password` must be present if `username` is set",
                "add it, or remove `username`",
            )),
            (None, Some(_)) => problems.push(Problem::warning(
                "username",
                "`password` has no effect without `username`",
                "add it, or remove `password`",
            )),
            (Some(_), Some(_)) if self.tls == Some(Tls::None) && self.auth() != Ok(Auth::CramMd5) => {
                problems.push(Problem::warning(
                    "tls",
                    "with `none` the password is sent only to a server on this machine",
                    "use starttls or implicit",
                ));
            }
            _ => {}
        }
        problems
    }

    fn sender(&self) -> Result<lettre::message::Mailbox, String> {
        match &self.from {
            Some(from) => addresses::mailbox(from),
            None => addresses::default_sender(),
        }
    }

    fn encryption(&self, server: &addresses::HostPort) -> session::Encryption<'_> {
        let by_port = if server.port == SMTPS {
            Tls::Implicit
        } else {
            Tls::Starttls
        };
        session::Encryption {
            mode: self.tls.unwrap_or(by_port),
            ca: self.ca.as_deref(),
            skip_verify: self.skip_verify,
        }
    }
}
