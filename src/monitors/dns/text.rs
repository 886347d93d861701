//! A record as one line of text, the way zone files write it: what `expect` is matched against.

use std::fmt::Write as _;

use base64::Engine as _;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};

use super::names::type_name;

/// `name.<TAB>ttl<TAB>class<TAB>type<TAB>rdata`, all fields of the record's data, separated by single spaces.
pub(super) fn record(record: &Record) -> String {
    format!("{}\t{}", head(record), data(&record.data))
}

/// The line as the original built it: a space before the data, only the data's first field, a line break.
pub(super) fn record_as_original(record: &Record) -> String {
    let data = data(&record.data);
    let first = match record.data {
        RData::TXT(_) => &data,
        _ => data.split(' ').next().unwrap_or_default(),
    };
    format!("{}\t {first}\n", head(record))
}

fn head(record: &Record) -> String {
    let class = match record.dns_class {
        DNSClass::Unknown(number) => format!("CLASS{number}"),
        known => known.to_string(),
    };
    let name = record.name.to_ascii();
    format!("{name}\t{}\t{class}\t{}", record.ttl, type_name(record.record_type()))
}

/// The data's fields. Names stay in their ASCII form; what a terminal could take for a command is written `\123`.
fn data(data: &RData) -> String {
    let text = match data {
        RData::CNAME(name) => name.0.to_ascii(),
        RData::NS(name) => name.0.to_ascii(),
        RData::PTR(name) => name.0.to_ascii(),
        RData::ANAME(name) => name.0.to_ascii(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange.to_ascii()),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target.to_ascii()),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            soa.mname.to_ascii(),
            soa.rname.to_ascii(),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        RData::TXT(txt) => {
            let parts: Vec<_> = txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect();
            parts.join(" ")
        }
        RData::NULL(null) => generic(&null.anything),
        RData::Unknown { code, rdata } => {
            known_to_us(*code, &rdata.anything).unwrap_or_else(|| generic(&rdata.anything))
        }
        other => other.to_string(),
    };
    escape_controls(&text)
}

fn escape_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(out, "\\{:03}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Data of any type in the notation of RFC 3597.
fn generic(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "\\# 0".to_owned();
    }
    format!("\\# {} {}", bytes.len(), hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Types that the library hands over as bytes and that people do check. `None` where the bytes do not fit.
fn known_to_us(code: RecordType, bytes: &[u8]) -> Option<String> {
    let mut rest = Fields(bytes);
    match code {
        RecordType::DS | RecordType::CDS => {
            let (tag, algorithm, digest) = (rest.u16()?, rest.u8()?, rest.u8()?);
            Some(format!("{tag} {algorithm} {digest} {}", hex(rest.0)))
        }
        RecordType::DNSKEY | RecordType::CDNSKEY => {
            let (flags, protocol, algorithm) = (rest.u16()?, rest.u8()?, rest.u8()?);
            Some(format!("{flags} {protocol} {algorithm} {}", base64(rest.0)))
        }
        RecordType::RRSIG => {
            let covered = type_name(RecordType::from(rest.u16()?));
            let (algorithm, labels, ttl) = (rest.u8()?, rest.u8()?, rest.u32()?);
            let (expires, from, tag) = (rest.time()?, rest.time()?, rest.u16()?);
            let signer = rest.name()?;
            let signature = base64(rest.0);
            Some(format!(
                "{covered} {algorithm} {labels} {ttl} {expires} {from} {tag} {signer} {signature}"
            ))
        }
        RecordType::Unknown(39) => rest.name(),
        RecordType::Unknown(256) => {
            let (priority, weight) = (rest.u16()?, rest.u16()?);
            Some(format!("{priority} {weight} \"{}\"", String::from_utf8_lossy(rest.0)))
        }
        RecordType::Unknown(99) => {
            let mut parts = Vec::new();
            while !rest.0.is_empty() {
                let length = rest.u8()?;
                parts.push(String::from_utf8_lossy(rest.take(length.into())?));
            }
            Some(parts.join(" "))
        }
        _ => None,
    }
}

/// What is left of a record's data.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Unix seconds, written as signatures have them: `20260131235959`.
    fn time(&mut self) -> Option<String> {
        let at = jiff::Timestamp::from_second(self.u32()?.into()).ok()?;
        Some(at.strftime("%Y%m%d%H%M%S").to_string())
    }

    /// A name; these types do not compress theirs.
    fn name(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            let length = self.u8()?;
            if length == 0 {
                break;
            }
            // The two upper bits would make it a pointer.
            if length > 63 {
                return None;
            }
            out.push_str(&String::from_utf8_lossy(self.take(length.into())?));
            out.push('.');
        }
        if out.is_empty() {
            out.push('.');
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::{MX, NULL, SRV, TXT};
    use proptest::prelude::*;

    fn of(data: RData) -> Record {
        Record::from_rdata(Name::from_ascii("example.com.").unwrap(), 60, data)
    }

    fn raw(code: u16, bytes: Vec<u8>) -> Record {
        of(RData::Unknown {
            code: RecordType::from(code),
            rdata: if bytes.is_empty() {
                NULL::new()
            } else {
                NULL::with(bytes)
            },
        })
    }

    #[test]
    fn every_field_of_the_data_is_in_the_line() {
        let host = || Name::from_ascii("mail.example.com.").unwrap();
        for (sample, line) in [
            (of(RData::A("10.0.0.2".parse().unwrap())), "A\t10.0.0.2"),
            (of(RData::AAAA("2001:db8::2".parse().unwrap())), "AAAA\t2001:db8::2"),
            (of(RData::MX(MX::new(10, host()))), "MX\t10 mail.example.com."),
            (
                of(RData::SRV(SRV::new(1, 2, 443, host()))),
                "SRV\t1 2 443 mail.example.com.",
            ),
            (
                of(RData::TXT(TXT::new(vec!["v=spf1".to_owned(), "-all".to_owned()]))),
                "TXT\tv=spf1 -all",
            ),
            (raw(99, b"\x06v=spf1\x04-all".to_vec()), "SPF\tv=spf1 -all"),
            (raw(43, vec![0, 7, 8, 2, 0xab, 0xcd]), "DS\t7 8 2 abcd"),
            (raw(48, vec![1, 1, 3, 13, 1, 2, 3]), "DNSKEY\t257 3 13 AQID"),
            (raw(256, b"\0\x0a\0\x01https://x".to_vec()), "URI\t10 1 \"https://x\""),
            (raw(65400, vec![1, 2]), "TYPE65400\t\\# 2 0102"),
        ] {
            assert_eq!(record(&sample), format!("example.com.\t60\tIN\t{line}"));
        }
    }

    #[test]
    fn a_signature_shows_when_it_expires() {
        let mut bytes = vec![0, 1, 13, 2];
        bytes.extend(3600u32.to_be_bytes());
        bytes.extend(1_794_000_000u32.to_be_bytes());
        bytes.extend(1_793_000_000u32.to_be_bytes());
        bytes.extend([0x12, 0x34]);
        bytes.extend(b"\x07example\x03com\x00sig");
        assert_eq!(
            record(&raw(46, bytes)),
            "example.com.\t60\tIN\tRRSIG\tA 13 2 3600 20261106212000 20261026073320 4660 example.com. c2ln"
        );
    }

    #[test]
    fn the_original_had_a_space_and_the_first_field_only() {
        let mx = of(RData::MX(MX::new(10, Name::from_ascii("mail.").unwrap())));
        assert_eq!(record_as_original(&mx), "example.com.\t60\tIN\tMX\t 10\n");
        let txt = of(RData::TXT(TXT::new(vec!["a b".to_owned(), "c".to_owned()])));
        assert_eq!(record_as_original(&txt), "example.com.\t60\tIN\tTXT\t a b c\n");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let txt = of(RData::TXT(TXT::new(vec!["\u{1b}[2J\n".to_owned()])));
        assert_eq!(record(&txt), "example.com.\t60\tIN\tTXT\t\\027[2J\\010");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(code: u16, bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = record(&raw(code, bytes));
        }
    }
}
