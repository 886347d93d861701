//! CRAM-MD5 (RFC 2195), which lettre does not have: one answer to one challenge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use crate::model::Secret;

/// What to answer to the server's challenge, both as they go over the wire. `None` when the challenge is not base64.
pub(super) fn answer(challenge: &str, username: &str, password: &Secret) -> Option<String> {
    let challenge = STANDARD.decode(challenge.trim()).ok()?;
    let mut mac = Hmac::<Md5>::new_from_slice(password.reveal().as_bytes()).ok()?;
    mac.update(&challenge);
    let digest: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    Some(STANDARD.encode(format!("{username} {digest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_answer_of_the_rfc() {
        let challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
        assert_eq!(
            answer(challenge, "tim", &Secret::new("tanstaaftanstaaf")).as_deref(),
            Some("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw")
        );
    }

    #[test]
    fn a_challenge_that_is_none_gets_no_answer() {
        assert_eq!(answer("not base64!", "tim", &Secret::new("x")), None);
    }
}
