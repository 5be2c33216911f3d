//! Parts of a sorted set: by score, and by name where all scores are the same.

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    /// The score.
    pub score: f64,
    /// It is not part of the range itself.
    pub exclusive: bool,
}

/// Scores from one to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The lower end.
    pub min: ScoreBound,
    /// The upper end.
    pub max: ScoreBound,
}

impl ScoreRange {
    /// The score stands before the range.
    #[must_use]
    pub fn is_before(&self, score: f64) -> bool {
        if self.min.exclusive { score <= self.min.score } else { score < self.min.score }
    }

    /// The score stands behind the range.
    #[must_use]
    pub fn is_behind(&self, score: f64) -> bool {
        if self.max.exclusive { score >= self.max.score } else { score > self.max.score }
    }
}

/// One end of a range of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LexBound {
    /// `-`: before all names.
    Lowest,
    /// `+`: behind all names.
    Highest,
    /// `[name`.
    Inclusive(Vec<u8>),
    /// `(name`.
    Exclusive(Vec<u8>),
}

/// Names from one to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LexRange {
    /// The lower end.
    pub min: LexBound,
    /// The upper end.
    pub max: LexBound,
}

impl LexRange {
    /// The name stands before the range.
    #[must_use]
    pub fn is_before(&self, name: &[u8]) -> bool {
        match &self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Inclusive(min) => name < min.as_slice(),
            LexBound::Exclusive(min) => name <= min.as_slice(),
        }
    }

    /// The name stands behind the range.
    #[must_use]
    pub fn is_behind(&self, name: &[u8]) -> bool {
        match &self.max {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Inclusive(max) => name > max.as_slice(),
            LexBound::Exclusive(max) => name >= max.as_slice(),
        }
    }
}
