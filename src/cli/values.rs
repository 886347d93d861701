//! How the original reads values of flags and environment variables.

use std::time::Duration;

use crate::model::{Dur, MemberId};

/// Go's `ParseBool`: `1 t T TRUE true True 0 f F FALSE false False`.
pub(super) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        other => Err(format!(
            "`{other}` is neither true nor false; use true, t, 1, false, f or 0"
        )),
    }
}

/// Comma lists, given once or repeated. As in the original, all spaces are removed and the rest is split on `,`; empty elements are left out.
pub(super) fn list(values: &[String]) -> Vec<String> {
    values
        .iter()
        .flat_map(|value| value.split(','))
        .map(|part| part.chars().filter(|c| *c != ' ').collect::<String>())
        .filter(|part| !part.is_empty())
        .collect()
}

/// `host:port`, where `:8080` listens on all addresses.
pub(super) fn listen(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is no address to listen on; write for example `127.0.0.1:8080` or `:8080`");
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    port.parse::<u16>().map_err(|_| bad())?;
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!("`{text}`: write an IPv6 address in brackets, `[::1]:8080`"));
    }
    Ok(if host.is_empty() {
        format!("0.0.0.0:{port}")
    } else {
        text.to_owned()
    })
}

pub(super) fn member_id(text: &str) -> Result<MemberId, String> {
    MemberId::parse(text).map_err(|error| error.to_string())
}

/// A comma list of places, `host:port` each.
pub(super) fn places(values: &[String]) -> Result<Vec<String>, String> {
    let places = list(values);
    for place in &places {
        let host = place
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .map(|(host, _)| host);
        let plain = |host: &str| !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        if !host.is_some_and(|host| !host.is_empty() && plain(host)) {
            return Err(format!(
                "`{place}` is no place to connect to; write for example `10.0.0.1:443` or `[::1]:443`"
            ));
        }
    }
    Ok(places)
}

/// A time, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrNever(pub(super) Option<Duration>);

/// `60s`, or `never`.
pub(super) fn or_never(text: &str) -> Result<OrNever, String> {
    if text == "never" {
        return Ok(OrNever(None));
    }
    let after: Dur = text
        .parse()
        .map_err(|error: crate::model::DurError| format!("{error}, or `never`"))?;
    Ok(OrNever(Some(after.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_a_host_and_a_port() {
        let own = |text: &str| places(&[text.to_owned()]);
        assert_eq!(own("a:1, [::1]:2").unwrap(), ["a:1", "[::1]:2"]);
        assert_eq!(own("").unwrap(), [""; 0]);
        for wrong in ["a", ":1", "a:x", "::1:2", "a:1,b"] {
            assert!(own(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_may_be_for_ever() {
        assert_eq!(or_never("90s"), Ok(OrNever(Some(Duration::from_secs(90)))));
        assert_eq!(or_never("never"), Ok(OrNever(None)));
        assert!(or_never("sometimes").is_err());
    }

    #[test]
    fn lists_lose_their_spaces_and_may_be_repeated() {
        let values = ["foo, bar".to_owned(), "one two".to_owned(), "x,".to_owned()];
        assert_eq!(list(&values), ["foo", "bar", "onetwo", "x"]);
    }

    #[test]
    fn an_address_may_leave_out_the_host() {
        assert_eq!(listen(":8181").as_deref(), Ok("0.0.0.0:8181"));
        assert_eq!(listen("[::1]:80").as_deref(), Ok("[::1]:80"));
        assert!(listen("8181").is_err());
        assert!(listen("::1:80").is_err());
        assert!(listen("host:99999").is_err());
    }

    #[test]
    fn booleans_are_those_of_go() {
        assert_eq!(go_bool("T"), Ok(true));
        assert_eq!(go_bool("False"), Ok(false));
        assert!(go_bool("yes").is_err());
    }
}
