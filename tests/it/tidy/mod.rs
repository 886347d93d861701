//! House rules as tests: arrows point down, one home per dependency, rules stay pure, files stay small.
//!
//! Each rule is a table in one of the files below. A new arrow, a second home or a longer file is one visible line in a review.

mod arrows;
mod homes;
mod purity;
mod sizes;
mod source;
mod texts;
