//! What others published for LeNet-300-100 on MNIST: the share of the weights that is left, and the
//! test error, both in percent.

/// A method, its source, and its points.
pub(super) struct Published {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    pub(super) points: &'static [(f64, f64)],
}

pub(super) const PUBLISHED: &[Published] = &[
    Published {
        name: "Sparse Momentum (Dettmers 2019)",
        source: "1907.04840, the authors' result files",
        points: &[
            (1.0, 2.36),
            (1.5, 2.05),
            (2.0, 1.99),
            (4.4, 1.55),
            (5.0, 1.53),
            (8.3, 1.43),
        ],
    },
    Published {
        name: "its best at 2 and 5 %",
        source: "the same",
        points: &[(2.0, 1.80), (5.0, 1.47)],
    },
    Published {
        name: "SNIP (Lee 2019)",
        source: "1810.02340, table 1",
        points: &[(2.0, 2.4), (5.0, 1.6)],
    },
    Published {
        name: "Layer-wise OBS (Dong 2017)",
        source: "in 1810.02340, table 1",
        points: &[(1.5, 2.0)],
    },
    Published {
        name: "RigL+ (Evci 2020)",
        source: "1911.11134, appendix B, the final checkpoint",
        points: &[(1.15, 1.69)],
    },
    Published {
        name: "Dynamic network surgery (Guo 2016)",
        source: "1608.04493",
        points: &[(1.8, 1.99)],
    },
];

/// The lowest published error at a share of the weights in percent.
pub(super) fn best_at(percent: f64) -> Option<f64> {
    let all = PUBLISHED.iter().flat_map(|p| p.points);
    let there = all.filter(|(x, _)| (x - percent).abs() < 1e-9).map(|p| p.1);
    there.reduce(f64::min)
}
