//! Whole distillations: what they refuse, which fits they make, and what a student learns.

use std::sync::Mutex;

use compress_core::network::*;
use compress_core::train::*;
use compress_core::{Result, rng};
use compress_distill::*;
use compress_testing::{Chain, Sgd, blobs};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, array};

/// Trains nothing, and notes the loss of a batch of sample 0 with logits of zero.
struct Recorder {
    network: Chain,
    seen: Vec<f32>,
    hooks: Vec<usize>,
}

impl Recorder {
    fn new(widths: &[usize]) -> Self {
        Recorder {
            network: Chain::random(widths, 9),
            seen: Vec::new(),
            hooks: Vec::new(),
        }
    }
}

impl Fit for Recorder {
    fn network(&self) -> &dyn Forward {
        &self.network
    }
    fn fit(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<FitReport> {
        let mut inputs = Array2::zeros((1, data.features()));
        data.fill(0, &[0], inputs.view_mut())?;
        let batch = Batch {
            inputs: inputs.view(),
            labels: &data.labels()[..1.min(data.labels().len())],
            indices: &[0],
            epoch: 0,
        };
        let logits = Array2::zeros((1, self.network.architecture.outputs()));
        self.seen
            .push(loss.evaluate(logits.view(), &batch, logits.clone().view_mut())?);
        self.hooks.push(hooks.len());
        let epochs = vec![EpochReport {
            epoch: self.seen.len(),
            ..EpochReport::default()
        }];
        Ok(FitReport {
            epochs,
            stopped_early: false,
        })
    }
}

struct Nothing;
impl TrainHook for Nothing {}

/// The losses of sample 0 with logits of zero: on soft targets and on the label.
fn expected(teacher: &Chain, data: &ArraySamples, t: f32) -> (f32, f32) {
    let z = teacher
        .forward(data.inputs())
        .unwrap()
        .row(0)
        .mapv(|x| f64::from(x / t));
    let sum: f64 = z.iter().map(|x| x.exp()).sum();
    let p = z.mapv(|x| x.exp() / sum);
    let classes = p.len() as f64;
    let divergence: f64 = p.iter().map(|p| p * (p.ln() + classes.ln())).sum();
    ((f64::from(t * t) * divergence) as f32, classes.ln() as f32)
}

#[test]
fn joint_is_one_fit_and_sequential_two() {
    let teacher = Chain::random(&[4, 8, 3], 1);
    let data = blobs(20, 4, 3, 2);
    for targets in [Targets::Cached, Targets::OnTheFly] {
        let options = DistillationOptions {
            targets,
            ..DistillationOptions::default()
        };
        let (soft, hard) = expected(&teacher, &data, options.temperature);
        let near = |a: f32, b: f32| (a - b).abs() < 1e-4;

        let mut student = Recorder::new(&[4, 3]);
        let mut hook = Nothing;
        let report =
            knowledge_distillation_with(&teacher, &mut student, &data, &options, &mut [&mut hook])
                .unwrap();
        assert_eq!(report.fits().len(), 1);
        assert_eq!((student.seen.len(), &student.hooks[..]), (1, &[1][..]));
        assert!(
            near(student.seen[0], 0.7 * soft + 0.3 * hard),
            "{} {soft} {hard}",
            student.seen[0]
        );

        let options = DistillationOptions {
            schedule: DistillationSchedule::Sequential,
            ..options
        };
        let mut student = Recorder::new(&[4, 3]);
        let report =
            knowledge_distillation_with(&teacher, &mut student, &data, &options, &mut [&mut hook])
                .unwrap();
        assert_eq!(student.hooks, [1, 1]);
        assert!(
            near(student.seen[0], soft) && near(student.seen[1], hard),
            "{:?}",
            student.seen
        );
        let DistillationReport::Sequential { soft, hard } = &report else {
            panic!("{report:?}");
        };
        assert_eq!((soft.epochs[0].epoch, hard.epochs[0].epoch), (1, 2));
        assert_eq!(report.fits(), [soft, hard]);
    }
}

#[test]
fn what_does_not_fit_is_refused_before_any_training() {
    let teacher = Chain::random(&[4, 8, 3], 1);
    let data = blobs(20, 4, 3, 2);
    let good = DistillationOptions::default();
    let sequential = DistillationOptions {
        schedule: DistillationSchedule::Sequential,
        soft_weight: 1.0,
        ..good
    };
    let unlabelled = ArraySamples::new(data.inputs().to_owned(), Vec::new()).unwrap();
    let mislabelled = ArraySamples::new(data.inputs().to_owned(), vec![3; 20]).unwrap();
    let other_teacher = Chain::random(&[4, 5], 1);
    let far_teacher = Chain::random(&[7, 3], 1);
    let mut broken_teacher = teacher.clone();
    broken_teacher.parameters[3].values_mut()[1] = f32::NAN;

    let cases: [(&Chain, &[usize], &ArraySamples, DistillationOptions, &str); 10] = [
        (
            &teacher,
            &[4, 3],
            &data,
            DistillationOptions {
                temperature: 0.0,
                ..good
            },
            "temperature is 0",
        ),
        (
            &teacher,
            &[4, 3],
            &data,
            DistillationOptions {
                temperature: f32::NAN,
                ..good
            },
            "temperature is NaN",
        ),
        (
            &teacher,
            &[4, 3],
            &data,
            DistillationOptions {
                soft_weight: 1.5,
                ..good
            },
            "soft targets is 1.5",
        ),
        (&teacher, &[4, 3], &unlabelled, good, "of 20 samples 0 have"),
        (
            &teacher,
            &[4, 3],
            &unlabelled,
            sequential,
            "of 20 samples 0 have",
        ),
        (&teacher, &[4, 3], &mislabelled, good, "label 3 of sample 0"),
        (
            &other_teacher,
            &[4, 3],
            &data,
            good,
            "teacher has 5 outputs, but the student has 3",
        ),
        (
            &teacher,
            &[5, 3],
            &data,
            good,
            "student reads 5 features, but the samples have 4",
        ),
        (
            &far_teacher,
            &[4, 3],
            &data,
            good,
            "teacher reads 7 features, but the samples have 4",
        ),
        (
            &broken_teacher,
            &[4, 3],
            &data,
            good,
            "class 1 for sample 0 is NaN; it must be finite",
        ),
    ];
    for (teacher, student, data, options, expected) in cases {
        let mut student = Recorder::new(student);
        let error = knowledge_distillation(teacher, &mut student, data, &options)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(student.seen.is_empty(), "{expected}");
    }
    let on_the_fly = DistillationOptions {
        targets: Targets::OnTheFly,
        ..good
    };
    let mut student = Recorder::new(&[4, 3]);
    assert!(knowledge_distillation(&far_teacher, &mut student, &data, &on_the_fly).is_err());
    assert!(knowledge_distillation(&broken_teacher, &mut student, &data, &on_the_fly).is_err());
    let short = Teacher::Cached(array![[1.0, 2.0, 3.0]]);
    assert!(knowledge_distillation_from(short, &mut student, &data, &good, &mut []).is_err());
    assert!(student.seen.is_empty());

    // Soft targets alone need no labels.
    let soft = DistillationOptions {
        soft_weight: 1.0,
        ..good
    };
    knowledge_distillation(&teacher, &mut student, &unlabelled, &soft).unwrap();
}

/// Samples that differ in each epoch, and the epochs asked for.
struct Augmented {
    samples: ArraySamples,
    epochs: Mutex<Vec<u64>>,
}

impl Samples for Augmented {
    fn len(&self) -> usize {
        self.samples.len()
    }
    fn features(&self) -> usize {
        self.samples.features()
    }
    fn labels(&self) -> &[u32] {
        self.samples.labels()
    }
    fn differs_by_epoch(&self) -> bool {
        true
    }
    fn fill(&self, epoch: u64, indices: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        self.epochs.lock().unwrap().push(epoch);
        self.samples.fill(epoch, indices, out.view_mut())?;
        out.mapv_inplace(|x| x + 0.1 * epoch as f32);
        Ok(())
    }
}

/// A teacher that is also its student's start: whatever the samples, on the fly there is nothing
/// to learn from it, so the student stays exactly as it is.
#[test]
fn on_the_fly_the_teacher_sees_what_the_student_sees() {
    let network = Chain::random(&[4, 8, 3], 1);
    let data = Augmented {
        samples: blobs(40, 4, 3, 2),
        epochs: Mutex::default(),
    };
    let options = DistillationOptions {
        soft_weight: 1.0,
        targets: Targets::OnTheFly,
        ..DistillationOptions::default()
    };
    let mut student = Sgd::new(network.clone());
    let report = knowledge_distillation(&network, &mut student, &data, &options).unwrap();
    for (now, before) in student.network.parameters.iter().zip(&network.parameters) {
        assert_eq!(now.values(), before.values());
    }
    assert!(
        report.fits()[0]
            .epochs
            .iter()
            .all(|e| e.training_loss == 0.0)
    );
    assert!(data.epochs.lock().unwrap().contains(&9));

    // Cached, the teacher would speak of samples that the student sees only in epoch 0.
    let options = DistillationOptions {
        targets: Targets::Cached,
        ..options
    };
    data.epochs.lock().unwrap().clear();
    let error = knowledge_distillation(&network, &mut student, &data, &options).unwrap_err();
    assert!(error.to_string().contains("Targets::OnTheFly"), "{error}");
    let logits = teacher_logits(&network, &data.samples).unwrap();
    let cached = Teacher::Cached(logits);
    let refused = knowledge_distillation_from(cached, &mut student, &data, &options, &mut []);
    assert!(matches!(refused, Err(Error::CachedButVarying)));
    let ensemble = Ensemble::new(vec![&network as &dyn Forward]).unwrap();
    assert!(ensemble.teacher_logits(&data).is_err());
    assert!(data.epochs.lock().unwrap().is_empty(), "nothing was drawn");
    knowledge_distillation(&network, &mut student, &data.samples, &options).unwrap();
}

/// Of how many samples the two networks predict another class.
fn disagreement(a: &dyn Forward, b: &dyn Forward, inputs: ArrayView2<'_, f32>) -> usize {
    let classes = |network: &dyn Forward| -> Vec<usize> {
        let logits = network.forward(inputs).unwrap();
        let best = |row: ndarray::ArrayView1<'_, f32>| {
            (0..row.len())
                .max_by(|&i, &j| row[i].total_cmp(&row[j]))
                .unwrap()
        };
        logits.rows().into_iter().map(best).collect()
    };
    classes(a)
        .iter()
        .zip(classes(b))
        .filter(|(a, b)| **a != *b)
        .count()
}

#[test]
fn a_student_reproduces_its_teacher_where_labels_are_noisy() {
    let (train, held_out) = (blobs(320, 6, 4, 1), blobs(1000, 6, 4, 2));
    let mut teacher = Sgd::new(Chain::random(&[6, 32, 4], 1));
    teacher.fit(&train, &HardLabels, &mut []).unwrap();

    // Four labels in ten are drawn anew.
    let mut stream = rng::stream(3, "tests.noise");
    let mut draw = |label: u32| {
        if rng::uniform(&mut stream) < 0.4 {
            rng::below(&mut stream, 4)
        } else {
            label
        }
    };
    let noisy = train.labels().iter().map(|&label| draw(label)).collect();
    let noisy = ArraySamples::new(train.inputs().to_owned(), noisy).unwrap();

    let start = Chain::random(&[6, 16, 4], 5);
    let wrong =
        |student: &Sgd| disagreement(student.network(), teacher.network(), held_out.inputs());
    let mut hard = Sgd::new(start.clone());
    hard.epochs = 30;
    hard.fit(&noisy, &HardLabels, &mut []).unwrap();
    let hard = wrong(&hard);
    for targets in [Targets::Cached, Targets::OnTheFly] {
        let mut student = Sgd::new(start.clone());
        student.epochs = 30;
        let options = DistillationOptions {
            soft_weight: 0.9,
            temperature: 2.0,
            targets,
            ..DistillationOptions::default()
        };
        knowledge_distillation(teacher.network(), &mut student, &noisy, &options).unwrap();
        let distilled = wrong(&student);
        assert!(
            2 * distilled < hard,
            "distilled {distilled}, hard labels {hard}"
        );
    }
}

#[test]
fn a_student_learns_a_class_that_it_never_saw() {
    // Hinton et al., section 3: the transfer set lacks one class altogether.
    let (train, held_out) = (blobs(400, 6, 4, 1), blobs(1000, 6, 4, 2));
    let mut teacher = Sgd::new(Chain::random(&[6, 32, 4], 1));
    teacher.fit(&train, &HardLabels, &mut []).unwrap();
    let known: Vec<usize> = (0..400).filter(|&i| train.labels()[i] != 3).collect();
    let transfer = train.inputs().select(ndarray::Axis(0), &known);
    let transfer = ArraySamples::new(transfer, Vec::new()).unwrap();
    let mut student = Sgd::new(Chain::random(&[6, 16, 4], 5));
    student.epochs = 30;
    let options = DistillationOptions {
        soft_weight: 1.0,
        ..DistillationOptions::default()
    };
    knowledge_distillation(teacher.network(), &mut student, &transfer, &options).unwrap();
    let unseen: Vec<usize> = (0..1000).filter(|i| i % 4 == 3).collect();
    let unseen = held_out.inputs().select(ndarray::Axis(0), &unseen);
    let wrong = disagreement(student.network(), teacher.network(), unseen.view());
    assert!(wrong < 125, "{wrong} of 250");
}
