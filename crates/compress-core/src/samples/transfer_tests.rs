//! Samples that are made of others: some of them, without labels, mixed.

use ndarray::{Array2, array};

use super::*;

/// Seven samples of two features, which also move by the epoch where `moves`.
struct Moving {
    moves: bool,
    labels: Vec<u32>,
}

impl Moving {
    fn new(moves: bool) -> Self {
        let labels = vec![3, 1, 7, 3, 8, 7, 0];
        Moving { moves, labels }
    }
}

impl Samples for Moving {
    fn len(&self) -> usize {
        7
    }

    fn features(&self) -> usize {
        2
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn fill(&self, epoch: u64, indices: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        check_indices(indices, 7)?;
        let moved = if self.moves {
            100.0 * epoch as f32
        } else {
            0.0
        };
        for (mut row, &index) in out.rows_mut().into_iter().zip(indices) {
            row[0] = index as f32 + moved;
            row[1] = -2.0 * index as f32;
        }
        Ok(())
    }

    fn differs_by_epoch(&self) -> bool {
        self.moves
    }
}

fn rows(samples: &dyn Samples, epoch: u64, indices: &[usize]) -> Array2<f32> {
    let mut out = Array2::zeros((indices.len(), samples.features()));
    samples.fill(epoch, indices, out.view_mut()).unwrap();
    out
}

#[test]
fn a_subset_has_the_samples_that_were_chosen() {
    let all = Moving::new(true);
    let only = Subset::of_classes(&all, &[7, 8]).unwrap();
    assert_eq!(
        (only.indices(), only.labels()),
        (&[2, 4, 5][..], &[7, 8, 7][..])
    );
    assert_eq!((only.len(), only.features()), (3, 2));
    assert!(only.differs_by_epoch() && only.by_feature().is_none());
    assert_eq!(
        rows(&only, 2, &[2, 0]),
        array![[205.0, -10.0], [202.0, -4.0]]
    );
    let without = Subset::without_classes(&all, &[3]).unwrap();
    assert_eq!(without.indices(), [1, 2, 4, 5, 6]);
    let even = Subset::filter(&all, |index| index % 2 == 0).unwrap();
    assert_eq!(even.labels(), [3, 7, 8, 0]);
    // One of a subset, and one that occurs twice.
    let twice = Subset::new(&even, vec![3, 0, 3]).unwrap();
    assert_eq!(twice.labels(), [0, 3, 0]);
    assert_eq!(rows(&twice, 0, &[0, 1]), array![[6.0, -12.0], [0.0, 0.0]]);
    let mut out = Array2::zeros((1, 2));
    assert!(twice.fill(0, &[3], out.view_mut()).is_err());
}

#[test]
fn a_subset_in_memory_lies_by_feature_too() {
    let inputs = Array2::from_shape_fn((5, 3), |(i, j)| (i * 3 + j) as f32);
    let all = ArraySamples::new(inputs, vec![]).unwrap();
    let some = Subset::new(&all, vec![4, 1]).unwrap();
    assert!(some.labels().is_empty() && !some.differs_by_epoch());
    let by_feature = some.by_feature().unwrap();
    let mut out = Array2::zeros((1, 2));
    by_feature
        .fill_by_feature(0, &[1, 0], &[(2, 0)], out.view_mut())
        .unwrap();
    assert_eq!(out, array![[5.0, 14.0]]);
    let beyond = by_feature.fill_by_feature(0, &[2, 0], &[(2, 0)], out.view_mut());
    assert!(beyond.is_err());
}

#[test]
fn subsets_that_cannot_be_are_refused() {
    let all = Moving::new(false);
    assert!(matches!(
        Subset::new(&all, vec![]),
        Err(Error::Empty { .. })
    ));
    assert!(Subset::new(&all, vec![7]).is_err());
    assert!(Subset::of_classes(&all, &[5]).is_err());
    assert!(Subset::without_classes(&all, &[0, 1, 3, 7, 8]).is_err());
    let unlabeled = Unlabeled(&all);
    let refused = Subset::of_classes(&unlabeled, &[3]).map(|_| ());
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("labels to choose by"), "{text}");
    Subset::new(&unlabeled, vec![1]).unwrap();
    let short = Moving {
        labels: vec![1, 2],
        ..Moving::new(false)
    };
    assert!(Subset::new(&short, vec![0]).is_err());
}

#[test]
fn without_labels_the_samples_are_the_same() {
    let all = Moving::new(true);
    let unlabeled = Unlabeled(&all);
    assert_eq!((unlabeled.len(), unlabeled.features()), (7, 2));
    assert!(unlabeled.labels().is_empty() && unlabeled.differs_by_epoch());
    assert_eq!(rows(&unlabeled, 3, &[6, 2]), rows(&all, 3, &[6, 2]));
    let held = ArraySamples::new(array![[1.0]], vec![4]).unwrap();
    assert!(Unlabeled(&held).by_feature().is_some());
}

#[test]
fn mixed_samples_are_means_of_two_and_depend_on_epoch_and_position_alone() {
    let all = Moving::new(true);
    let mixed = Mixup::new(&all, 0.5, 3, "mix").unwrap();
    assert!(mixed.differs_by_epoch() && mixed.by_feature().is_none());
    assert_eq!(
        (mixed.len(), mixed.features(), mixed.labels()),
        (7, 2, all.labels())
    );
    for epoch in 0..3 {
        let found = rows(&mixed, epoch, &[5, 0, 6]);
        for (row, index) in [5, 0, 6].into_iter().enumerate() {
            let (partner, share) = mixed.draw(epoch, index).unwrap();
            assert!((0.5..=1.0).contains(&share) && partner < 7);
            let plain = rows(&all, epoch, &[index, partner]);
            for feature in 0..2 {
                let [x, y] = [0, 1].map(|of| f64::from(plain[(of, feature)]));
                let expected = f64::from(share) * x + (1.0 - f64::from(share)) * y;
                assert!((f64::from(found[(row, feature)]) - expected).abs() < 1e-4);
            }
        }
        assert_eq!(rows(&mixed, epoch, &[6]).row(0), found.row(2));
    }
    let draws = |mixed: &Mixup<'_>, epoch| -> Vec<(usize, f32)> {
        (0..7).map(|i| mixed.draw(epoch, i).unwrap()).collect()
    };
    assert_ne!(draws(&mixed, 0), draws(&mixed, 1));
    let others = [(4, "mix"), (3, "other")].map(|(seed, name)| Mixup::new(&all, 0.5, seed, name));
    for other in others {
        assert_ne!(draws(&other.unwrap(), 0), draws(&mixed, 0));
    }
}

#[test]
fn partners_are_uniform_and_shares_of_a_uniform_beta_are_too() {
    let all = Moving::new(false);
    let mixed = Mixup::new(&all, 1.0, 1, "mix").unwrap();
    let (mut counts, mut sum, epochs) = ([0_u32; 7], 0.0, 2000);
    for epoch in 0..epochs {
        for index in 0..7 {
            let (partner, share) = mixed.draw(epoch, index).unwrap();
            counts[partner] += 1;
            sum += f64::from(share);
        }
    }
    // Four standard errors: of a count of mean 2000, of a mean of 14,000 values from 0.5 to 1.
    assert!(counts.iter().all(|&c| c.abs_diff(2000) < 170), "{counts:?}");
    let mean = sum / 14_000.0;
    assert!((mean - 0.75).abs() < 0.005, "{mean}");
}

#[test]
fn mixing_never_leaves_f32_and_refuses_what_it_cannot_mix() {
    let far = ArraySamples::new(array![[f32::MAX, -f32::MAX], [f32::MAX, f32::MAX]], vec![]);
    let far = far.unwrap();
    let mixed = Mixup::new(&far, 1000.0, 1, "mix").unwrap();
    for epoch in 0..50 {
        assert!(rows(&mixed, epoch, &[0, 1]).iter().all(|x| x.is_finite()));
    }
    for alpha in [0.0, f32::NAN, 2000.0] {
        assert!(Mixup::new(&far, alpha, 1, "mix").is_err());
    }
    let mut out = Array2::zeros((1, 2));
    assert!(mixed.fill(0, &[2], out.view_mut()).is_err());
    assert!(mixed.fill(0, &[0, 1], out.view_mut()).is_err());
    assert!(mixed.draw(0, 2).is_err());
}
