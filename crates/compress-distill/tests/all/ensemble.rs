//! An ensemble says the mean of what its networks say, however it is asked.

use compress_core::network::Forward;
use compress_core::train::{ArraySamples, Batch, Loss};
use compress_distill::*;
use compress_testing::{Chain, blobs};
use ndarray::{Array2, s};

fn chains() -> [Chain; 3] {
    [1, 2, 3].map(|seed| Chain::random(&[4, 9, 3], seed))
}

fn ensemble(chains: &[Chain]) -> Ensemble<'_> {
    let networks = chains.iter().map(|chain| chain as &dyn Forward);
    Ensemble::new(networks.collect()).unwrap()
}

/// More samples than a batch, so that the last batch is a part of one.
#[test]
fn its_logits_are_the_mean_in_every_batch() {
    let chains = chains();
    let data = blobs(4500, 4, 3, 2);
    let each = chains.each_ref().map(|c| teacher_logits(c, &data).unwrap());
    let logits = ensemble(&chains).teacher_logits(&data).unwrap();
    assert_eq!(logits, average_logits(&each).unwrap());
    let first = &each[0];
    let middle = (4499, 2);
    let mean = each.iter().map(|l| f64::from(l[middle])).sum::<f64>() / 3.0;
    assert!((f64::from(logits[middle]) - mean).abs() < 1e-6);
    assert_eq!(ensemble(&chains[..1]).teacher_logits(&data).unwrap(), first);
}

#[test]
fn asked_about_a_batch_it_is_the_cached_one() {
    let chains = chains();
    let ensemble = ensemble(&chains);
    let data = blobs(10, 4, 3, 2);
    let cached = Teacher::Cached(ensemble.teacher_logits(&data).unwrap());
    let batch = Batch {
        inputs: data.inputs().slice_move(s![4..8, ..]),
        labels: &[],
        indices: &[4, 5, 6, 7],
        epoch: 0,
    };
    let student = Array2::from_shape_fn((4, 3), |(i, j)| (i * 3 + j) as f32 / 5.0);
    let [a, b] = [cached, Teacher::Ensemble(ensemble)].map(|teacher| {
        assert_eq!(teacher.outputs(), 3);
        let loss = SoftTargets::new(teacher, 2.0).unwrap();
        let mut gradient = Array2::zeros((4, 3));
        let value = loss.evaluate(student.view(), &batch, gradient.view_mut());
        (value.unwrap(), gradient)
    });
    assert_eq!(a, b);
}

#[test]
fn a_student_learns_from_it() {
    let chains = chains();
    let data = blobs(64, 4, 3, 3);
    let learn = |teacher| {
        let mut student = compress_testing::Sgd::new(Chain::random(&[4, 8, 3], 4));
        let options = DistillationOptions::default();
        knowledge_distillation_from(teacher, &mut student, &data, &options, &mut []).unwrap()
    };
    let cached = learn(Teacher::Cached(
        ensemble(&chains).teacher_logits(&data).unwrap(),
    ));
    assert_eq!(learn(Teacher::Ensemble(ensemble(&chains))), cached);
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    assert!(matches!(Ensemble::new(vec![]), Err(Error::Core(_))));
    let [a, narrow, few] = [[4, 3], [5, 3], [4, 2]].map(|widths| Chain::random(&widths, 1));
    assert!(Ensemble::new(vec![&a, &narrow]).is_err());
    assert!(Ensemble::new(vec![&a, &few]).is_err());
    let ensemble = Ensemble::new(vec![&a]).unwrap();
    let error = ensemble.teacher_logits(&blobs(5, 5, 3, 1)).unwrap_err();
    assert!(matches!(error, Error::Features { .. }), "{error}");
    let mut student = compress_testing::Sgd::new(Chain::random(&[5, 3], 4));
    let data = blobs(5, 5, 3, 1);
    let teacher = Teacher::Ensemble(ensemble);
    let options = DistillationOptions::default();
    let refused = knowledge_distillation_from(teacher, &mut student, &data, &options, &mut []);
    assert!(matches!(refused, Err(Error::Features { .. })));
}

#[test]
fn a_logit_that_is_not_finite_names_its_sample() {
    let mut broken = Chain::random(&[1, 2], 1);
    broken.parameters_mut()[0].values_mut().fill(3e38);
    let mut inputs = Array2::zeros((3000, 1));
    inputs[(2500, 0)] = 3e38;
    let data = ArraySamples::new(inputs, vec![]).unwrap();
    let error = Ensemble::new(vec![&broken]).unwrap().teacher_logits(&data);
    assert!(
        matches!(
            error,
            Err(Error::TeacherLogit {
                sample: 2500,
                class: 0,
                ..
            })
        ),
        "{error:?}"
    );
}
