//! Reading feature by feature against reading whole samples.

use ndarray::{Array2, ArrayViewMut2, s};
use proptest::prelude::*;

use crate::train::{ArraySamples, FeatureRow, Samples};

fn samples(count: usize, features: usize) -> ArraySamples {
    let value = |(i, j): (usize, usize)| (i * features + j) as f32 - 7.5;
    ArraySamples::new(Array2::from_shape_fn((count, features), value), vec![]).unwrap()
}

fn fill(
    samples: &ArraySamples,
    indices: &[usize],
    wanted: &[FeatureRow],
    out: ArrayViewMut2<'_, f32>,
) -> crate::Result<()> {
    let by_feature = samples.by_feature().unwrap();
    by_feature.fill_by_feature(0, indices, wanted, out)
}

proptest! {
    #[test]
    fn wanted_features_are_those_of_whole_samples(
        indices in prop::collection::vec(0..9_usize, 0..40),
        // For each row of up to three tasks, its feature or none.
        rows in prop::collection::vec(prop::option::of(0..5_usize), 0..140),
    ) {
        let samples = samples(9, 5);
        let mut whole = Array2::zeros((indices.len(), 5));
        samples.fill(0, &indices, whole.view_mut()).unwrap();
        let wanted = rows.iter().enumerate();
        let wanted: Vec<_> = wanted.filter_map(|(r, f)| f.map(|f| (f, r))).collect();
        let mut out = Array2::from_elem((rows.len(), indices.len()), 0.25);
        fill(&samples, &indices, &wanted, out.view_mut()).unwrap();
        for (row, feature) in out.rows().into_iter().zip(rows) {
            match feature {
                Some(feature) => prop_assert_eq!(row, whole.column(feature)),
                None => prop_assert!(row.iter().all(|v| *v == 0.25)),
            }
        }
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let samples = samples(4, 3);
    let mut out = Array2::zeros((2, 2));
    let mut error = |indices: &[usize], wanted: &[FeatureRow]| {
        let error = fill(&samples, indices, wanted, out.view_mut()).unwrap_err();
        error.to_string()
    };
    assert!(error(&[0, 4], &[(0, 0)]).contains("sample's index"));
    assert!(error(&[0], &[(0, 0)]).contains("the batch"));
    assert!(error(&[0, 1], &[(3, 0)]).contains("a wanted feature"));
    assert!(error(&[0, 1], &[(0, 2)]).contains("rows of wanted features"));
    assert!(error(&[0, 1], &[(0, 1), (1, 0)]).contains("rows of wanted features"));
    assert!(error(&[0, 1], &[(0, 1), (1, 1)]).contains("rows of wanted features"));
    let mut wide = Array2::zeros((2, 4));
    let strided = wide.slice_mut(s![.., ..;2]);
    assert!(fill(&samples, &[0, 1], &[(0, 0)], strided).is_err());
}
