//! The text format of Prometheus, written by hand: families of samples, labels escaped.
//!
//! By hand because samples of monitors are read off the catalog while they are written; a registry would keep each of them twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Families that monitors' own facts may make; the names of plug-ins' values are theirs.
const MAX_FAMILIES: usize = 300;

/// What a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Counter,
    Gauge,
    Histogram,
}

impl Sort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Families in order of their names, each with its samples.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    families: BTreeMap<String, String>,
}

impl Exposition {
    /// The samples of a family, to write to. `None` when there are too many families.
    pub(super) fn family(&mut self, name: &str, sort: Sort, help: &str) -> Option<Family<'_>> {
        if !self.families.contains_key(name) {
            if self.families.len() >= MAX_FAMILIES {
                return None;
            }
            let head = format!(
                "# HELP {name} {}\n# TYPE {name} {}\n",
                help.replace('\\', "\\\\").replace('\n', "\\n"),
                sort.as_str()
            );
            self.families.insert(name.to_owned(), head);
        }
        let (name, text) = self.families.get_mut(name).map(|text| (name.to_owned(), text))?;
        Some(Family { name, text })
    }

    /// One sample of a family.
    pub(super) fn one(&mut self, name: &str, sort: Sort, help: &str, labels: &[(&str, &str)], value: f64) {
        if let Some(mut family) = self.family(name, sort, help) {
            family.sample("", labels, value);
        }
    }

    /// The text, a piece per family.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = String> {
        self.families.into_values()
    }
}

/// One family.
pub(super) struct Family<'a> {
    name: String,
    text: &'a mut String,
}

impl Family<'_> {
    /// Writes a sample; `suffix` for the parts of a histogram.
    pub(super) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        for (i, (name, value)) in labels.iter().enumerate() {
            self.text.push(if i == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, " {}", Value(value));
    }
}

struct Value(f64);

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            v if v.is_nan() => f.write_str("NaN"),
            v if v == f64::INFINITY => f.write_str("+Inf"),
            v if v == f64::NEG_INFINITY => f.write_str("-Inf"),
            v => v.fmt(f),
        }
    }
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// A text as part of a metric name: what may not stand there becomes `_`.
pub(super) fn metric_name(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_a_family_stands_together() {
        let mut out = Exposition::default();
        out.one("b", Sort::Gauge, "two\nlines", &[("x", "a\"b\\c\nd")], 1.0);
        out.one("a", Sort::Counter, "first", &[], 0.25);
        out.one("b", Sort::Gauge, "", &[("x", "e"), ("y", "")], f64::INFINITY);
        let text: String = out.into_pieces().collect();
        assert_eq!(
            text,
            "# HELP a first\n# TYPE a counter\na 0.25\n# HELP b two\\nlines\n# TYPE b gauge\nb{x=\"a\\\"b\\\\c\\nd\"} 1\nb{x=\"e\",y=\"\"} +Inf\n"
        );
    }

    #[test]
    fn names_of_plug_ins_cannot_break_the_format_or_grow_without_bound() {
        assert_eq!(metric_name("perfdata_/var é-1"), "perfdata__var___1");
        let mut out = Exposition::default();
        for i in 0..MAX_FAMILIES + 10 {
            out.one(&format!("f{i}"), Sort::Gauge, "", &[], 1.0);
        }
        assert_eq!(out.into_pieces().count(), MAX_FAMILIES);
    }
}
