//! Names of record types and response codes, as people and other tools write them.

use std::borrow::Cow;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

/// Every record type with a name. One list for both directions, complete where the library's own is not.
const TYPES: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP-PTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("DNAME", 39),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
    ("AVC", 258),
    ("TA", 32768),
    ("DLV", 32769),
];

const RCODES: &[(&str, u16)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
];

/// The record type of that name, in any case; `TYPE123` for those without one.
pub(super) fn record_type(text: &str) -> Option<RecordType> {
    number(TYPES, "TYPE", text).map(RecordType::from)
}

/// The name of a record type.
pub(super) fn type_name(of: RecordType) -> Cow<'static, str> {
    name(TYPES, "TYPE", of.into())
}

/// The response code of that name, in any case; `RCODE12` for those without one.
pub(super) fn rcode(text: &str) -> Option<u16> {
    number(RCODES, "RCODE", text)
}

/// The name of a response code.
pub(super) fn rcode_name(of: ResponseCode) -> Cow<'static, str> {
    name(RCODES, "RCODE", of.into())
}

fn number(table: &[(&str, u16)], prefix: &str, text: &str) -> Option<u16> {
    if let Some((_, number)) = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(*number);
    }
    let (head, digits) = text.split_at_checked(prefix.len())?;
    if !head.eq_ignore_ascii_case(prefix) || digits.starts_with('+') {
        return None;
    }
    digits.parse().ok()
}

fn name(table: &[(&'static str, u16)], prefix: &str, of: u16) -> Cow<'static, str> {
    match table.iter().find(|(_, number)| *number == of) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("{prefix}{of}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_in_any_case() {
        for (name, number) in TYPES {
            assert_eq!(
                record_type(&name.to_lowercase()).map(u16::from),
                Some(*number),
                "{name}"
            );
            assert_eq!(type_name(RecordType::from(*number)), *name);
        }
        for (name, number) in RCODES {
            assert_eq!(rcode(&name.to_lowercase()), Some(*number), "{name}");
        }
    }

    #[test]
    fn types_without_a_name_have_a_number() {
        assert_eq!(record_type("type65400").map(u16::from), Some(65400));
        assert_eq!(type_name(RecordType::from(65400)), "TYPE65400");
        for no_type in ["", "TYPE", "TYPE65536", "TYPE+1", "TYPÉ1", "AA"] {
            assert_eq!(record_type(no_type), None, "{no_type}");
        }
    }
}
