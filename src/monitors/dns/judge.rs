//! What an answer means for a check. Pure.

use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RData;

use super::{Dns, names, text};
use crate::model::{Dur, Reason, Verdict};

/// Characters of records that a message shows.
const MAX_SHOWN_CHARS: usize = 400;

/// Judges an answer: response code, count, no records at all, time, content; the first that does not hold decides.
pub(super) fn judge(dns: &Dns, answer: &Message, took: Duration) -> Verdict {
    let mut verdict = judge_answer(dns, answer, took);
    verdict.fact("dns_rcode", f64::from(u16::from(answer.metadata.response_code)));
    verdict.fact("dns_answer_rrs", count(answer.answers.len()));
    verdict.fact("dns_authority_rrs", count(answer.authorities.len()));
    verdict.fact("dns_additional_rrs", count(answer.additionals.len()));
    let serial = answer.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    if let Some(serial) = serial {
        verdict.fact("dns_serial", f64::from(serial));
    }
    verdict
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a message holds fewer than 65536 records of a section"
)]
fn count(records: usize) -> f64 {
    records as f64
}

fn judge_answer(dns: &Dns, answer: &Message, took: Duration) -> Verdict {
    let (target, server) = (&dns.dns_target, dns.server());
    let rcode = answer.metadata.response_code;
    let wanted = dns.dns_rcode.to_ascii_uppercase();
    if names::rcode(&wanted) != Some(rcode.into()) {
        return Verdict::fail(
            Reason::Status,
            format!(
                "DNS server {server} answered {} for {target}, expected {wanted}",
                names::rcode_name(rcode)
            ),
        );
    }
    let records = &answer.answers;
    let expected = dns.dns_expected_count as usize;
    if expected != 0 && records.len() != expected {
        return Verdict::fail(
            Reason::Count,
            format!(
                "Unexpected result count ({}) received for {target} against DNS server {server}",
                records.len()
            ),
        );
    }
    // Somebody who expects an error does not expect records.
    let error_wanted = u16::from(rcode) != 0;
    if records.is_empty() && !error_wanted {
        return Verdict::fail(
            Reason::Count,
            format!("No results received for {target} against DNS server {server}"),
        );
    }
    if let Some(allowed) = dns.dns_max_time
        && took > allowed.0
    {
        return Verdict::fail(
            Reason::Slow,
            format!(
                "DNS check of {target} against {server} server took longer than {allowed} allowed: {}",
                Dur(took)
            ),
        );
    }
    let Some(expect) = &dns.expect else {
        return Verdict::pass();
    };
    let matching = records
        .iter()
        .filter(|record| {
            // Expressions that were written for the original's layout go on matching.
            expect.is_match(&text::record(record)) || expect.is_match(&text::record_as_original(record))
        })
        .count();
    // With a count above one all records have to match; otherwise one is enough.
    let enough = if expected > 1 {
        matching == records.len()
    } else {
        matching > 0
    };
    if enough {
        return Verdict::pass();
    }
    let had = format!("DNS check of {target} against {server} had {} records.", records.len());
    let found = if matching == 0 {
        format!("None matched expected regex '{}'", expect.as_str())
    } else {
        format!("Only {matching} matched expected regex '{}'", expect.as_str())
    };
    Verdict::fail(Reason::Content, format!("{had} {found}. Records: {}", shown(answer)))
}

fn shown(answer: &Message) -> String {
    let lines: Vec<_> = answer
        .answers
        .iter()
        .map(|record| text::record(record).replace('\t', " "))
        .collect();
    let all = lines.join("; ");
    if all.chars().count() <= MAX_SHOWN_CHARS {
        return all;
    }
    all.chars().take(MAX_SHOWN_CHARS).chain(['…']).collect()
}
