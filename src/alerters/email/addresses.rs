//! Addresses of people and of the mail server.
//!
//! Read here and not by lettre's own list parser, which ignores what it does not understand: a recipient would be lost without a word.

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::extension::ClientId;

/// Most recipients of one kind; what every server has to take.
const MAX_RECIPIENTS: usize = 100;

/// A mail server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    /// Name or address, an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
}

impl HostPort {
    /// Reads `host:port` or `[address]:port`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not of the form host:port");
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(format!("`{text}`: an IPv6 address needs brackets")),
            None => host,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@[]".contains(c)) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// All addresses of some texts, each of which may hold several, separated by commas.
pub(super) fn mailboxes(texts: &[String]) -> Result<Vec<Mailbox>, String> {
    let mut all = Vec::new();
    for part in texts
        .iter()
        .flat_map(|text| split(text))
        .filter(|p| !p.trim().is_empty())
    {
        let mailbox = mailbox(part)?;
        if !all.contains(&mailbox) {
            all.push(mailbox);
        }
    }
    if all.len() > MAX_RECIPIENTS {
        return Err(format!(
            "names {} recipients, but {MAX_RECIPIENTS} is the most; use a mailing list",
            all.len()
        ));
    }
    Ok(all)
}

/// One address: `ann@example.org`, `Ann <ann@example.org>`, `"Ann, on call" <ann@example.org>`.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    let shown = || super::super::text::cut(&super::super::text::one_line(text), 100);
    // A line break here could begin a header of its own.
    if text.contains(char::is_control) {
        return Err(format!(
            "`{}` contains a line break or another control character",
            shown()
        ));
    }
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim(), address),
        None => ("", text),
    };
    let name = match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\""),
        None => name.to_owned(),
    };
    let address: Address = address
        .trim()
        .parse()
        .map_err(|_| format!("`{}` is no mail address", shown()))?;
    Ok(Mailbox::new(Some(name).filter(|n| !n.is_empty()), address))
}

/// Who sends when nobody is named: this machine. The original sent as somebody at example.com, which no server believes.
pub(super) fn default_sender() -> Result<Mailbox, String> {
    const USER: &str = "9volt-alerter";
    let host = match ClientId::default() {
        ClientId::Domain(name) => name,
        _ => "localhost".to_owned(),
    };
    let address = Address::new(USER, &host).or_else(|_| Address::new(USER, "localhost"));
    address
        .map(|address| Mailbox::new(Some("9volt".to_owned()), address))
        .map_err(|err| err.to_string())
}

/// Splits at commas that stand neither in quotes nor in angle brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    text.split(move |c| {
        let was_escaped = escaped;
        escaped = c == '\\' && !was_escaped;
        match c {
            '"' if !was_escaped => quoted = !quoted,
            '<' if !quoted => inside = true,
            '>' if !quoted => inside = false,
            ',' if !quoted && !inside => return true,
            _ => {}
        }
        false
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        Ok(mailboxes(&[text.to_owned()])?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn recipients_are_separated_by_commas() {
        assert_eq!(read("a@b.c").unwrap(), ["a@b.c"]);
        assert_eq!(read(" a@b.c ,Dee <d@e.f>,").unwrap(), ["a@b.c", "Dee <d@e.f>"]);
        assert_eq!(
            read(r#""Dee, \"D\" on call" <d@e.f>, a@b.c"#).unwrap(),
            [r#""Dee, \"D\" on call" <d@e.f>"#, "a@b.c"]
        );
        assert_eq!(read("a@b.c, a@b.c").unwrap().len(), 1, "nobody gets it twice");
        assert_eq!(read("").unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_address_is_refused_and_never_dropped() {
        for text in [
            "nobody",
            "a@b.c; d@e.f",
            "a@b.c d@e.f",
            "a@b.c, nobody",
            "<a@b.c",
            "@b.c",
            "a@",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn nothing_is_smuggled_into_the_headers() {
        for text in [
            "a@b.c\r\nBcc: x@y.z",
            "A\r\nBcc: x@y.z <a@b.c>",
            "\"A\nBcc: x@y.z\" <a@b.c>",
            "a@b.c>\r\nRCPT TO:<x@y.z",
            "a@b.c\0",
        ] {
            let wrong = read(text).unwrap_err();
            assert!(!wrong.contains(['\r', '\n', '\0']), "{wrong:?}");
        }
    }

    #[test]
    fn too_many_recipients_are_refused() {
        let many = |n: usize| (0..n).map(|i| format!("u{i}@b.c")).collect::<Vec<_>>();
        assert!(mailboxes(&many(MAX_RECIPIENTS)).is_ok());
        assert!(mailboxes(&many(MAX_RECIPIENTS + 1)).is_err());
    }

    #[test]
    fn servers_are_host_and_port() {
        let host_port = |host: &str, port| HostPort {
            host: host.to_owned(),
            port,
        };
        assert_eq!(HostPort::parse("smtp.b.c:587"), Ok(host_port("smtp.b.c", 587)));
        assert_eq!(HostPort::parse("[::1]:25"), Ok(host_port("::1", 25)));
        assert_eq!(HostPort::parse("127.0.0.1:25"), Ok(host_port("127.0.0.1", 25)));
        for text in [
            "",
            "smtp",
            "smtp:",
            ":25",
            "smtp:0",
            "smtp:99999",
            "::1:25",
            "[::1:25",
            "http://smtp:25",
            "a b:25",
        ] {
            assert!(HostPort::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_sender_is_this_machine() {
        let sender = default_sender().unwrap();
        assert_eq!(sender.email.user(), "9volt-alerter");
        assert_ne!(sender.email.domain(), "example.com");
    }
}
