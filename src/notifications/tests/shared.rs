//! Alerters that move from member to member.
