//! What Slack's web API says inside of `200 OK`.

use serde::Deserialize;

use crate::alerters::http::{Answer, scrub};
use crate::alerters::kind::{DeliveryError, Retry};
use crate::alerters::text::{cut, one_line};
use crate::model::Secret;

/// Codes that the same message will get again until somebody edits something. Codes that are not here are tried again:
/// an attempt too many costs less than an alert too few.
const FINAL: &[&str] = &[
    "access_denied",
    "account_inactive",
    "as_user_not_supported",
    "block_mismatch",
    "channel_not_found",
    "channel_type_not_supported",
    "deprecated_endpoint",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_arg_name",
    "invalid_arguments",
    "invalid_array_arg",
    "invalid_attachments",
    "invalid_auth",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_charset",
    "invalid_form_data",
    "invalid_json",
    "invalid_post_type",
    "is_archived",
    "is_inactive",
    "messages_tab_disabled",
    "method_deprecated",
    "missing_post_type",
    "missing_scope",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_permission",
    "no_text",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "org_login_required",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_thread_only_channel",
    "token_expired",
    "token_revoked",
    "too_many_attachments",
    "two_factor_setup_required",
    "unknown_method",
];

/// Codes that say that the thread cannot be written to, while the channel can.
const NO_THREAD: &[&str] = &[
    "cannot_reply_to_message",
    "invalid_thread_ts",
    "message_not_found",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
    "thread_not_found",
];

/// A refusal inside of `200 OK`.
pub(super) struct Refused {
    /// Without a thread it might go through.
    pub no_thread: bool,
    code: String,
    retry: Retry,
}

impl Refused {
    /// As an error that does not show the token.
    pub(super) fn error(self, token: &Secret) -> DeliveryError {
        /// Longest code that is shown.
        const MAX_CODE: usize = 100;
        let code = scrub(&cut(&one_line(&self.code), MAX_CODE), &[token.reveal()]);
        DeliveryError {
            retry: self.retry,
            message: format!("Slack refused it: {code}"),
        }
    }
}

/// The answer of `chat.postMessage`: the `ts` of the message, or the refusal.
pub(super) fn read(answer: &Answer) -> Result<Option<String>, Refused> {
    #[derive(Deserialize)]
    struct Posted {
        ok: bool,
        #[serde(default)]
        error: String,
        ts: Option<String>,
    }
    let Ok(posted) = serde_json::from_str::<Posted>(&answer.body) else {
        return Err(Refused {
            no_thread: false,
            code: format!("the answer is not Slack's: {}", answer.excerpt),
            retry: Retry::Soon,
        });
    };
    if posted.ok {
        return Ok(posted.ts);
    }
    let code = posted.error;
    let retry = if FINAL.contains(&code.as_str()) {
        Retry::Never
    } else {
        answer.retry_after.map_or(Retry::Soon, Retry::After)
    };
    Err(Refused {
        no_thread: NO_THREAD.contains(&code.as_str()),
        code,
        retry,
    })
}
