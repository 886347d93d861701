//! Performance data of plug-ins: `'label'=value[unit];[warn];[crit];[min];[max]`, separated by spaces. Pure.
//!
//! Values become facts in base units. The thresholds and limits behind the semicolons are the plug-in's own business: its exit code has
//! judged them already, so they are only required not to get in the way.

use std::collections::HashSet;

/// The most values taken from one run; a plug-in that lists every process of a host must not fill the memory.
const MAX_FACTS: usize = 64;
/// Characters of a label that become part of a name.
const MAX_LABEL_CHARS: usize = 64;

/// Units and what one of them is in base units. `KB` counts in thousands and `KiB` in 1024s.
const UNITS: &[(&str, f64)] = &[
    ("", 1.0),
    ("s", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("ns", 1e-9),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
    ("%", 0.01),
    ("c", 1.0),
    ("B", 1.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("PB", 1e15),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("PiB", 1_125_899_906_842_624.0),
];

/// `perfdata_<label>` and value of every item that can be read, in order; names are unique.
pub(super) fn facts(parts: &[&str]) -> Vec<(String, f64)> {
    let mut taken = HashSet::new();
    parts
        .iter()
        .flat_map(|part| Items(part))
        .take(MAX_FACTS)
        .map(|(label, value)| (unique(format!("perfdata_{}", sanitised(&label)), &mut taken), value))
        .collect()
}

fn unique(name: String, taken: &mut HashSet<String>) -> String {
    let mut candidate = name.clone();
    let mut nth = 1;
    while !taken.insert(candidate.clone()) {
        nth += 1;
        candidate = format!("{name}_{nth}");
    }
    candidate
}

/// Lower-case letters, digits and single underscores; `root` for `/`, which disk checks use as a label.
fn sanitised(label: &str) -> String {
    if label == "/" {
        return "root".to_owned();
    }
    let mut out = String::new();
    for c in label.chars().take(MAX_LABEL_CHARS) {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    if out.is_empty() {
        "unnamed".to_owned()
    } else {
        out.to_owned()
    }
}

/// Labels with values of one stretch of performance data; what cannot be read is passed over.
struct Items<'a>(&'a str);

impl Iterator for Items<'_> {
    type Item = (String, f64);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.0 = self.0.trim_start();
            if self.0.is_empty() {
                return None;
            }
            let label = self.label();
            let end = self.0.find(char::is_whitespace).unwrap_or(self.0.len());
            let (item, rest) = self.0.split_at(end);
            self.0 = rest;
            let value = item.strip_prefix('=').and_then(value);
            if let (Some(label), Some(value)) = (label, value) {
                return Some((label, value));
            }
        }
    }
}

impl Items<'_> {
    /// Takes the label and leaves the `=`. A label with spaces is in quotes; a doubled quote inside stands for one.
    fn label(&mut self) -> Option<String> {
        let Some(mut rest) = self.0.strip_prefix('\'') else {
            let end = self
                .0
                .find(|c: char| c == '=' || c.is_whitespace())
                .unwrap_or(self.0.len());
            let (label, rest) = self.0.split_at(end);
            self.0 = rest;
            return (!label.is_empty()).then(|| label.to_owned());
        };
        let mut label = String::new();
        loop {
            let Some((inside, behind)) = rest.split_once('\'') else {
                // The quote is never closed: nothing after it can be trusted.
                self.0 = "";
                return None;
            };
            label.push_str(inside);
            match behind.strip_prefix('\'') {
                Some(more) => {
                    label.push('\'');
                    rest = more;
                }
                None => {
                    self.0 = behind;
                    return Some(label);
                }
            }
        }
    }
}

/// `5.2ms;10;20;0;100` in base units. `None` for `U` (the plug-in does not know) and for what is no number.
fn value(item: &str) -> Option<f64> {
    let measured = item.split(';').next().unwrap_or_default();
    let (number, unit) = measured.split_at(number_len(measured));
    let number: f64 = number.parse().ok()?;
    // A unit that nobody knows is taken as a base unit; a comma is no unit but a number of another locale.
    if unit.starts_with(',') {
        return None;
    }
    let factor = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map_or(1.0, |(_, factor)| *factor);
    let value = number * factor;
    value.is_finite().then_some(value)
}

/// Length of the decimal number at the beginning, with its exponent if it has one.
fn number_len(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let sign = |at: usize| usize::from(text[at..].starts_with(['+', '-']));
    let mut end = sign(0);
    end += digits(end);
    if text[end..].starts_with('.') {
        end += 1;
        end += digits(end);
    }
    if text[end..].starts_with(['e', 'E']) {
        let exponent = end + 1 + sign(end + 1);
        let length = digits(exponent);
        if length > 0 {
            end = exponent + length;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(&str, f64)]) {
        let found = facts(&[text]);
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn labels_may_be_quoted_and_thresholds_may_be_ranges() {
        check("time=0.5s;1;2;0;10", &[("perfdata_time", 0.5)]);
        check(
            "load1=0.010;5.000;9.000;0; load5=0.06",
            &[("perfdata_load1", 0.01), ("perfdata_load5", 0.06)],
        );
        check("a=1;@10:20;~:10;; b=2", &[("perfdata_a", 1.0), ("perfdata_b", 2.0)]);
        check("'C:\\ used %'=42;80;90", &[("perfdata_c_used", 42.0)]);
        check(
            "'it''s = here'=1 x=2",
            &[("perfdata_it_s_here", 1.0), ("perfdata_x", 2.0)],
        );
        check("/=3 /var=4", &[("perfdata_root", 3.0), ("perfdata_var", 4.0)]);
    }

    #[test]
    fn units_become_base_units() {
        check("a=250ms", &[("perfdata_a", 0.25)]);
        check("a=2m", &[("perfdata_a", 120.0)]);
        check("a=50%", &[("perfdata_a", 0.5)]);
        check("a=2KB", &[("perfdata_a", 2000.0)]);
        check("a=2KiB", &[("perfdata_a", 2048.0)]);
        check("a=7c", &[("perfdata_a", 7.0)]);
        check("a=7furlongs", &[("perfdata_a", 7.0)]);
        check("a=1.5e3B", &[("perfdata_a", 1500.0)]);
        check("a=-3", &[("perfdata_a", -3.0)]);
    }

    #[test]
    fn what_is_no_value_is_passed_over() {
        check("a=U;1;2 b=1", &[("perfdata_b", 1.0)]);
        check("a=1,5 b=1", &[("perfdata_b", 1.0)]);
        check("nonsense = b=1 =5 c= d=x e=.", &[("perfdata_b", 1.0)]);
        check("a=1 'never closed=2 b=3", &[("perfdata_a", 1.0)]);
        check("a=1e999", &[]);
        check("", &[]);
    }

    #[test]
    fn names_are_unique_and_their_number_is_bounded() {
        check(
            "a=1 A=2 'a '=3 ''=4",
            &[
                ("perfdata_a", 1.0),
                ("perfdata_a_2", 2.0),
                ("perfdata_a_3", 3.0),
                ("perfdata_unnamed", 4.0),
            ],
        );
        let many: String = (0..1000).map(|n| format!("x{n}=1 ")).collect();
        assert_eq!(facts(&[&many]).len(), MAX_FACTS);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_names_stay_plain(text in "\\PC{0,300}") {
            for (name, value) in facts(&[&text]) {
                prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
                prop_assert!(value.is_finite());
            }
        }

        #[test]
        fn no_text_of_the_right_shape_panics(text in "(['=a-z0-9.;:@~%eE+\\- µ]{0,12} ?){0,8}") {
            let _ = facts(&[&text]);
        }

        #[test]
        fn a_number_reads_back(value in -1e12f64..1e12) {
            let found = facts(&[&format!("'a b'={value}")]);
            prop_assert_eq!(found, vec![("perfdata_a_b".to_owned(), value)]);
        }
    }
}
