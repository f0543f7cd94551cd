//! The codings of a tensor.

/// How a tensor's values or codes are stored. A coding's number is its position here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Dense,
    Packed,
    Sparse,
    Entropy,
}

impl Coding {
    pub(crate) const ALL: [Coding; 4] = [
        Coding::Dense,
        Coding::Packed,
        Coding::Sparse,
        Coding::Entropy,
    ];

    /// The coding of this number.
    pub(crate) fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Dense => "dense",
            Coding::Packed => "packed",
            Coding::Sparse => "sparse",
            Coding::Entropy => "entropy",
        }
    }
}
