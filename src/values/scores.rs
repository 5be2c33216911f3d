//! Members with scores of several sorted sets: what is asked for, and what becomes of the scores of one member.

use crate::protocol::number::{parse_f64, parse_i64};

/// How sets are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// What all of them have.
    Intersection,
    /// What any of them has.
    Union,
    /// What the first has and no other.
    Difference,
}

/// What becomes of the scores of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Added.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Aggregate {
    /// Of two scores.
    #[must_use]
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities of both signs are nothing together.
            Self::Sum => not_nan(a + b),
            Self::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Self::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// A score; nothing times infinity is nothing.
#[must_use]
pub fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Which options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Members are answered.
    Reply,
    /// They are stored.
    Store,
    /// They are counted.
    Count,
}

/// What stands behind the keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// One for each key.
    pub weights: Vec<f64>,
    /// `AGGREGATE`.
    pub aggregate: Aggregate,
    /// `WITHSCORES`.
    pub scores: bool,
    /// `LIMIT`; 0 is none.
    pub limit: usize,
}

/// Why it makes no sense; Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Words that do not belong there.
    #[error("ERR syntax error")]
    Syntax,
    /// Of `WEIGHTS`.
    #[error("ERR weight value is not a float")]
    Weight,
    /// Of `LIMIT`.
    #[error("ERR LIMIT can't be negative")]
    Limit,
}

impl Options {
    /// From the words behind `keys` keys.
    ///
    /// # Errors
    /// They make no sense.
    pub fn parse<'a>(
        mut words: impl ExactSizeIterator<Item = &'a [u8]>,
        keys: usize,
        how: Combine,
        form: Form,
    ) -> Result<Self, Invalid> {
        let is_word = |word: &[u8], known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        let mut options =
            Self { weights: vec![1.0; keys], aggregate: Aggregate::Sum, scores: false, limit: 0 };
        let weighs = how != Combine::Difference && form != Form::Count;
        while let Some(word) = words.next() {
            if weighs && is_word(word, "WEIGHTS") && words.len() >= keys {
                for weight in &mut options.weights {
                    *weight = parse_f64(words.next().unwrap_or_default()).ok_or(Invalid::Weight)?;
                }
            } else if weighs && is_word(word, "AGGREGATE") && words.len() >= 1 {
                options.aggregate = match words.next().unwrap_or_default() {
                    word if is_word(word, "SUM") => Aggregate::Sum,
                    word if is_word(word, "MIN") => Aggregate::Min,
                    word if is_word(word, "MAX") => Aggregate::Max,
                    _ => return Err(Invalid::Syntax),
                };
            } else if form == Form::Reply && is_word(word, "WITHSCORES") {
                options.scores = true;
            } else if form == Form::Count && is_word(word, "LIMIT") && words.len() >= 1 {
                options.limit = limit(words.next().unwrap_or_default())?;
            } else {
                return Err(Invalid::Syntax);
            }
        }
        Ok(options)
    }
}

/// The value of `LIMIT`.
///
/// # Errors
/// It is no number of members.
pub fn limit(word: &[u8]) -> Result<usize, Invalid> {
    parse_i64(word).and_then(|limit| usize::try_from(limit).ok()).ok_or(Invalid::Limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, how: Combine, form: Form) -> Result<Options, Invalid> {
        let words: Vec<&[u8]> = line.split_ascii_whitespace().map(str::as_bytes).collect();
        Options::parse(words.into_iter(), 2, how, form)
    }

    #[test]
    fn each_form_has_its_options() {
        let union = parse("weights 2 -inf AGGREGATE max WithScores", Combine::Union, Form::Reply).unwrap();
        let expected = Options {
            weights: vec![2.0, f64::NEG_INFINITY],
            aggregate: Aggregate::Max,
            scores: true,
            limit: 0,
        };
        assert_eq!(union, expected);
        assert_eq!(parse("LIMIT 3", Combine::Intersection, Form::Count).unwrap().limit, 3);
        for (line, how, form, error) in [
            ("WEIGHTS 1", Combine::Union, Form::Reply, Invalid::Syntax),
            ("WEIGHTS 1 x", Combine::Union, Form::Store, Invalid::Weight),
            ("WEIGHTS 1 1", Combine::Difference, Form::Reply, Invalid::Syntax),
            ("WITHSCORES", Combine::Union, Form::Store, Invalid::Syntax),
            ("LIMIT -1", Combine::Intersection, Form::Count, Invalid::Limit),
            ("LIMIT", Combine::Intersection, Form::Count, Invalid::Syntax),
        ] {
            assert_eq!(parse(line, how, form), Err(error), "{line}");
        }
    }

    #[test]
    fn what_is_no_number_counts_as_nothing() {
        assert_eq!(Aggregate::Sum.of(f64::INFINITY, f64::NEG_INFINITY).to_bits(), 0);
        assert_eq!(not_nan(f64::INFINITY * 0.0).to_bits(), 0);
        assert_eq!((Aggregate::Min.of(1.0, 2.0), Aggregate::Max.of(1.0, 2.0)), (1.0, 2.0));
    }
}
