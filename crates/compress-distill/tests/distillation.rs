//! Whole distillations, and what they refuse.

#[allow(dead_code, unreachable_pub)]
mod support;

use compress_core::train::Samples;
use compress_distill::{
    DistillationOptions, DistillationReport, DistillationSchedule, Error, Targets, Teacher,
    knowledge_distillation, knowledge_distillation_from, teacher_logits,
};
use support::{Chain, Sgd, blobs};

fn run(options: DistillationOptions) -> (Sgd, DistillationReport) {
    let teacher = Chain::random(&[4, 16, 3], 1);
    let mut student = Sgd::new(Chain::random(&[4, 8, 3], 2));
    let report = knowledge_distillation(&teacher, &mut student, &blobs(40, 4, 3, 3), &options);
    (student, report.unwrap())
}

#[test]
fn joint_fits_once_and_sequential_twice() {
    for (schedule, fits) in [
        (DistillationSchedule::Joint, 1),
        (DistillationSchedule::Sequential, 2),
    ] {
        let options = DistillationOptions {
            schedule,
            ..Default::default()
        };
        assert_eq!(run(options).1.fits().len(), fits);
    }
}

#[test]
fn cached_targets_are_those_on_the_fly() {
    let [cached, asked] = [Targets::Cached, Targets::OnTheFly].map(|targets| {
        let (student, _) = run(DistillationOptions {
            targets,
            ..Default::default()
        });
        let parameters = student.network.parameters.into_iter();
        let bits = |x: &f32| x.to_bits();
        parameters
            .flat_map(|p| p.values().iter().map(bits).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    });
    assert_eq!(cached, asked);
}

#[test]
fn refuses_what_does_not_fit() {
    let data = blobs(10, 4, 3, 3);
    let options = DistillationOptions::default();
    let attempt = |teacher: &[usize], student: &[usize], data: &dyn Samples| {
        let mut student = Sgd::new(Chain::random(student, 2));
        knowledge_distillation(&Chain::random(teacher, 1), &mut student, data, &options)
    };
    let outputs = attempt(&[4, 2], &[4, 3], &data);
    assert!(matches!(outputs, Err(Error::Outputs { .. })));
    for (teacher, student) in [([5, 3], [4, 3]), ([4, 3], [5, 3])] {
        let features = attempt(&teacher, &student, &data);
        assert!(matches!(features, Err(Error::Features { .. })));
    }

    let mut logits = teacher_logits(&Chain::random(&[4, 3], 1), &data).unwrap();
    logits[(3, 1)] = f32::NAN;
    let mut student = Sgd::new(Chain::random(&[4, 3], 2));
    let teacher = Teacher::Cached(logits);
    let result = knowledge_distillation_from(teacher, &mut student, &data, &options, &mut []);
    assert!(matches!(
        result,
        Err(Error::TeacherLogit {
            sample: 3,
            class: 1,
            ..
        })
    ));
}
