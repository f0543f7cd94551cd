//! Samples in memory, and passes over all samples in batches.

use ndarray::{Array2, array};

use super::*;

fn samples(rows: usize) -> ArraySamples {
    let value = |(i, j): (usize, usize)| (i * 3 + j) as f32;
    let labels = (0..rows as u32).collect();
    ArraySamples::new(Array2::from_shape_fn((rows, 3), value), labels).unwrap()
}

#[test]
fn samples_are_read_in_any_order() {
    let samples = samples(4);
    assert_eq!((samples.len(), samples.features()), (4, 3));
    assert!(!samples.is_empty());
    let mut out = Array2::zeros((3, 3));
    samples.fill(9, &[3, 0, 3], out.view_mut()).unwrap();
    assert_eq!(
        out,
        array![[9.0, 10.0, 11.0], [0.0, 1.0, 2.0], [9.0, 10.0, 11.0]]
    );
    assert!(samples.fill(0, &[4, 0, 0], out.view_mut()).is_err());
    assert!(samples.fill(0, &[0], out.view_mut()).is_err());
}

#[test]
fn samples_that_are_not_data_are_refused() {
    assert!(ArraySamples::new(Array2::zeros((0, 3)), vec![]).is_err());
    assert!(ArraySamples::new(Array2::zeros((2, 3)), vec![1]).is_err());
    let error = ArraySamples::new(array![[0.0, 1.0], [f32::NAN, 0.0]], vec![]).unwrap_err();
    assert!(
        matches!(error, Error::NonFinite { index: 2, .. }),
        "{error}"
    );
    let unlabelled = ArraySamples::new(array![[1.0, 2.0], [3.0, 4.0]].reversed_axes(), vec![]);
    let unlabelled = unlabelled.unwrap();
    assert!(unlabelled.labels().is_empty());
    let mut out = Array2::zeros((1, 2));
    unlabelled.fill(0, &[0], out.view_mut()).unwrap();
    assert_eq!(out, array![[1.0, 3.0]]);
}

#[test]
fn samples_in_memory_are_those_of_every_epoch_and_lie_by_feature_too() {
    let samples = samples(4);
    assert!(!samples.differs_by_epoch());
    let by_feature = samples.by_feature().unwrap();
    let wanted: [FeatureRow; 2] = [(2, 0), (0, 1)];
    let mut out = Array2::zeros((2, 2));
    by_feature
        .fill_by_feature(0, &[3, 1], &wanted, out.view_mut())
        .unwrap();
    assert_eq!(out, array![[11.0, 5.0], [9.0, 3.0]]);
    let refused = by_feature.fill_by_feature(0, &[4, 1], &wanted, out.view_mut());
    assert!(refused.is_err());
}

/// Samples that have only what every kind of samples must have.
struct Plain(usize);

impl Samples for Plain {
    fn len(&self) -> usize {
        self.0
    }

    fn features(&self) -> usize {
        1
    }

    fn labels(&self) -> &[u32] {
        &[]
    }

    fn fill(&self, epoch: u64, indices: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        check_indices(indices, self.0)?;
        for (mut row, &index) in out.rows_mut().into_iter().zip(indices) {
            row.fill(index as f32 + 10_000.0 * epoch as f32);
        }
        Ok(())
    }
}

#[test]
fn by_default_samples_are_the_same_in_every_epoch_and_lie_row_by_row() {
    assert!(!Plain(3).differs_by_epoch() && !Plain(3).is_empty());
    assert!(Plain(3).by_feature().is_none());
    assert!(Plain(0).is_empty());
}

#[test]
fn all_samples_pass_in_batches_in_order_and_in_the_epoch() {
    let mut firsts = Vec::new();
    let found = in_batches::<Error>(&Plain(1100), 2, 2, |first, inputs, mut out| {
        firsts.push((first, inputs.nrows()));
        assert!(out.as_slice_mut().is_some());
        for (mut out, row) in out.rows_mut().into_iter().zip(inputs.rows()) {
            out.fill(row[0]);
        }
        Ok(())
    });
    let expected = Array2::from_shape_fn((1100, 2), |(i, _)| 20_000.0 + i as f32);
    assert_eq!(found.unwrap(), expected);
    assert_eq!(firsts, [(0, 512), (512, 512), (1024, 76)]);
    let none = in_batches::<Error>(&Plain(0), 0, 2, |_, _, _| panic!("there is no batch"));
    assert_eq!(none.unwrap().dim(), (0, 2));
}

#[test]
fn the_first_error_ends_a_pass() {
    let mut batches = 0;
    let failed = in_batches(&Plain(1100), 0, 1, |first, _, _| {
        batches += 1;
        match first {
            512 => Err(Error::invalid("a batch", first, "another")),
            _ => Ok(()),
        }
    });
    assert!(matches!(failed, Err(Error::Invalid { .. })));
    assert_eq!(batches, 2);
}

#[test]
fn an_index_of_no_sample_is_named() {
    check_indices(&[0, 2, 1], 3).unwrap();
    check_indices(&[], 0).unwrap();
    let text = check_indices(&[1, 3, 7], 3).unwrap_err().to_string();
    assert!(text.contains("index is 3, but must be below 3"), "{text}");
}
