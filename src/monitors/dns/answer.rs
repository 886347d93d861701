//! From bytes to the answer of one question, or to the knowledge that they are something else.

use hickory_proto::op::{Message, MessageType, ResponseCode};

/// Bytes of the fixed header: id, flags, four counts.
const HEADER_BYTES: usize = 12;
/// Answer bit in the third byte.
const QR: u8 = 0x80;
/// Truncation bit in the third byte.
const TC: u8 = 0x02;

/// What a packet turned out to be.
#[derive(Debug)]
pub(super) enum Reading {
    /// The answer to the question.
    Answer(Box<Message>),
    /// The beginning of it, if that much could be read; the rest is to be had over TCP.
    Truncated(Option<Box<Message>>),
    /// Not meant for us: another id, another question, a question itself. Whoever sent it, waiting goes on.
    Stranger,
    /// It carries our id but cannot be read.
    Malformed(String),
}

/// Reads what came back for `query`. Never panics, whatever the bytes are.
pub(super) fn read(bytes: &[u8], query: &Message) -> Reading {
    let Some(header) = bytes.get(..HEADER_BYTES) else {
        return Reading::Stranger;
    };
    if header[..2] != query.metadata.id.to_be_bytes() || header[2] & QR == 0 {
        return Reading::Stranger;
    }
    let truncated = header[2] & TC != 0;
    let message = match Message::from_vec(bytes) {
        Ok(message) => message,
        Err(_) if truncated => return Reading::Truncated(None),
        Err(err) => return Reading::Malformed(err.to_string()),
    };
    if message.metadata.message_type != MessageType::Response
        || message.metadata.op_code != query.metadata.op_code
        || !same_question(&message, query)
    {
        return Reading::Stranger;
    }
    if truncated {
        Reading::Truncated(Some(Box::new(message)))
    } else {
        Reading::Answer(Box::new(message))
    }
}

/// A server that could not read the question, or will not, may leave it out of its answer.
fn same_question(message: &Message, query: &Message) -> bool {
    message.queries == query.queries
        || (message.queries.is_empty() && message.metadata.response_code != ResponseCode::NoError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{OpCode, Query};
    use hickory_proto::rr::{Name, RecordType};
    use proptest::prelude::*;

    fn query() -> Message {
        let mut query = Message::new(0x1234, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(Name::from_ascii("a.example.").unwrap(), RecordType::A));
        query
    }

    #[test]
    fn only_an_answer_with_our_id_and_our_question_is_ours() {
        let ours = query().into_response();
        assert!(matches!(read(&ours.to_vec().unwrap(), &query()), Reading::Answer(_)));
        let question = query();
        assert!(matches!(read(&question.to_vec().unwrap(), &query()), Reading::Stranger));
        let mut other_id = query().into_response();
        other_id.metadata.id = 0x4321;
        assert!(matches!(read(&other_id.to_vec().unwrap(), &query()), Reading::Stranger));
        let mut other_name = Message::response(0x1234, OpCode::Query);
        other_name.add_query(Query::query(Name::from_ascii("b.example.").unwrap(), RecordType::A));
        assert!(matches!(
            read(&other_name.to_vec().unwrap(), &query()),
            Reading::Stranger
        ));
        let mut other_type = Message::response(0x1234, OpCode::Query);
        other_type.add_query(Query::query(Name::from_ascii("a.example.").unwrap(), RecordType::MX));
        assert!(matches!(
            read(&other_type.to_vec().unwrap(), &query()),
            Reading::Stranger
        ));
    }

    #[test]
    fn the_case_of_the_name_does_not_matter() {
        let mut upper = Message::response(0x1234, OpCode::Query);
        upper.add_query(Query::query(Name::from_ascii("A.EXAMPLE.").unwrap(), RecordType::A));
        assert!(matches!(read(&upper.to_vec().unwrap(), &query()), Reading::Answer(_)));
    }

    #[test]
    fn a_refusal_may_leave_the_question_out_but_an_answer_may_not() {
        let mut bare = Message::error_msg(0x1234, OpCode::Query, ResponseCode::Refused);
        assert!(matches!(read(&bare.to_vec().unwrap(), &query()), Reading::Answer(_)));
        bare.metadata.response_code = ResponseCode::NoError;
        assert!(matches!(read(&bare.to_vec().unwrap(), &query()), Reading::Stranger));
    }

    #[test]
    fn rubbish_with_our_id_is_malformed_unless_it_is_cut_off() {
        let mut rubbish = vec![0x12, 0x34, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63];
        assert!(matches!(read(&rubbish, &query()), Reading::Malformed(_)));
        rubbish[2] |= TC;
        assert!(matches!(read(&rubbish, &query()), Reading::Truncated(None)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(tail in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&tail, &query());
            let mut ours = vec![0x12, 0x34, 0x80];
            ours.extend(&tail);
            if let Reading::Answer(message) = read(&ours, &query()) {
                for record in message.all_sections() {
                    let _ = super::super::text::record(record);
                }
            }
        }

        #[test]
        fn no_damaged_answer_panics(at in 0usize..200, value: u8) {
            let mut bytes = super::super::tests::answer_of_many_types(query()).to_vec().unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            if let Reading::Answer(message) = read(&bytes, &query()) {
                for record in message.all_sections() {
                    let _ = super::super::text::record(record);
                }
            }
        }
    }
}
