//! Students that learn from each other, beside the algorithm of the paper in f64.

use compress_core::Result;
use compress_core::gradients::LiveSets;
use compress_core::parameters::Parameters;
use compress_core::samples::Unlabeled;
use compress_core::train::{ArraySamples, Fit, Samples, TrainHook, Training};
use compress_distill::*;
use compress_testing::{Chain, CrossEntropy, Sgd, blobs};
use ndarray::{Array1, Array2};

const FEATURES: usize = 4;
const CLASSES: usize = 3;
const EPOCHS: usize = 3;
/// What [`Sgd`] does.
const BATCH: usize = 16;
const RATE: f64 = 0.02;
const MOMENTUM: f64 = 0.9;

/// A dense layer, its velocity, and the plain algorithm in f64.
#[derive(Clone)]
struct Linear {
    weight: Array2<f64>,
    bias: Array1<f64>,
    weight_velocity: Array2<f64>,
    bias_velocity: Array1<f64>,
}

impl Linear {
    fn of(chain: &Chain) -> Self {
        let values = chain.values();
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let weight = Array2::from_shape_vec((CLASSES, FEATURES), wide(&values[0])).unwrap();
        let bias = Array1::from_vec(wide(&values[1]));
        Linear {
            weight_velocity: Array2::zeros(weight.raw_dim()),
            bias_velocity: Array1::zeros(bias.raw_dim()),
            weight,
            bias,
        }
    }

    fn softened(&self, inputs: &Array2<f64>, temperature: f64) -> Array2<f64> {
        let mut p = (inputs.dot(&self.weight.t()) + &self.bias) / temperature;
        for mut row in p.rows_mut() {
            row.mapv_inplace(f64::exp);
            let sum = row.sum();
            row /= sum;
        }
        p
    }

    fn step(&mut self, inputs: &Array2<f64>, gradient: &Array2<f64>) {
        let of_weight = gradient.t().dot(inputs);
        let of_bias = gradient.sum_axis(ndarray::Axis(0));
        self.weight_velocity = &self.weight_velocity * MOMENTUM - of_weight * RATE;
        self.bias_velocity = &self.bias_velocity * MOMENTUM - of_bias * RATE;
        self.weight += &self.weight_velocity;
        self.bias += &self.bias_velocity;
    }
}

/// Algorithm 1; or all peers at once where `in_turn` is false. Returns the mean loss of each peer in
/// the last epoch.
fn plain(
    peers: &mut [Linear],
    data: &ArraySamples,
    options: &MutualOptions,
    in_turn: bool,
) -> Vec<f64> {
    let (t, weight) = (
        f64::from(options.temperature),
        f64::from(options.peer_weight),
    );
    let mut losses = vec![0.0; peers.len()];
    for _ in 0..EPOCHS {
        losses.fill(0.0);
        for start in (0..data.len()).step_by(BATCH) {
            let range: Vec<usize> = (start..data.len().min(start + BATCH)).collect();
            let x = data
                .inputs()
                .select(ndarray::Axis(0), &range)
                .mapv(f64::from);
            let before = peers.to_vec();
            for k in 0..peers.len() {
                let heard = if in_turn {
                    peers.to_vec()
                } else {
                    before.clone()
                };
                let (hard, q) = (peers[k].softened(&x, 1.0), peers[k].softened(&x, t));
                let mut gradient = hard.clone();
                let mut loss = 0.0;
                for (row, &index) in range.iter().enumerate() {
                    let label = data.labels()[index] as usize;
                    gradient[(row, label)] -= 1.0;
                    loss -= hard[(row, label)].ln();
                }
                for (l, other) in heard.iter().enumerate() {
                    if l != k {
                        let p = other.softened(&x, t);
                        let scale = weight / (heard.len() - 1) as f64;
                        gradient = gradient + (&q - &p) * (scale * t);
                        loss += scale * t * t * (&p * &(p.mapv(f64::ln) - q.mapv(f64::ln))).sum();
                    }
                }
                losses[k] += loss / range.len() as f64;
                peers[k].step(&x, &(gradient / range.len() as f64));
            }
        }
    }
    let batches = data.len().div_ceil(BATCH) as f64;
    losses.iter().map(|loss| loss / batches).collect()
}

fn chains(count: u64) -> Vec<Chain> {
    (0..count)
        .map(|seed| Chain::random(&[FEATURES, CLASSES], seed + 1))
        .collect()
}

fn students(count: u64) -> Vec<Sgd> {
    let student = |network| {
        let mut student = Sgd::new(network);
        student.epochs = EPOCHS;
        student
    };
    chains(count).into_iter().map(student).collect()
}

fn learn(students: &mut [Sgd], data: &dyn Samples, options: &MutualOptions) -> Vec<FitReport> {
    let peers = students.iter_mut().map(|student| Peer::new(student));
    mutual_learning(peers.collect(), data, options).unwrap()
}

fn farthest(students: &[Sgd], expected: &[Linear]) -> f64 {
    let far = students.iter().zip(expected).map(|(student, expected)| {
        let found = Linear::of(&student.network);
        let weights = (found.weight - &expected.weight).mapv(f64::abs);
        let biases = (found.bias - &expected.bias).mapv(f64::abs);
        weights.into_iter().chain(biases).fold(0.0, f64::max)
    });
    far.fold(0.0, f64::max)
}

#[test]
fn peers_take_the_steps_of_algorithm_1_in_turn() {
    // The last batch is a part of one.
    let data = blobs(70, FEATURES, CLASSES, 3);
    let harder = MutualOptions {
        temperature: 3.0,
        peer_weight: 2.5,
    };
    for (count, options) in [(2, MutualOptions::default()), (3, harder)] {
        let mut found = students(count);
        let reports = learn(&mut found, &data, &options);
        let mut expected: Vec<Linear> = chains(count).iter().map(Linear::of).collect();
        let losses = plain(&mut expected, &data, &options, true);
        assert!(
            farthest(&found, &expected) < 2e-6,
            "{}",
            farthest(&found, &expected)
        );
        for (report, loss) in reports.iter().zip(losses) {
            let last = report.epochs[EPOCHS - 1].training_loss;
            assert!((f64::from(last) - loss).abs() < 1e-5, "{last} {loss}");
        }
        // Peers that step at once end elsewhere.
        let mut at_once: Vec<Linear> = chains(count).iter().map(Linear::of).collect();
        plain(&mut at_once, &data, &options, false);
        assert!(farthest(&found, &at_once) > 1e-4);
    }
}

#[test]
fn it_is_deterministic_and_deaf_peers_learn_alone() {
    let data = blobs(40, FEATURES, CLASSES, 3);
    let values = |students: &[Sgd]| -> Vec<_> {
        students
            .iter()
            .map(|student| student.network.values())
            .collect()
    };
    let run = |options: &MutualOptions| {
        let mut found = students(3);
        let reports = learn(&mut found, &data, options);
        (values(&found), reports)
    };
    let options = MutualOptions::default();
    assert_eq!(run(&options), run(&options));
    let deaf = MutualOptions {
        peer_weight: 0.0,
        ..options
    };
    let mut alone = students(3);
    for student in &mut alone {
        student.fit(&data, &CrossEntropy, &mut []).unwrap();
    }
    assert_eq!(run(&deaf).0, values(&alone));
    assert_ne!(run(&options).0, values(&alone));
}

/// Doubles all weights while the model is looked at.
#[derive(Default)]
struct Doubling {
    steps: usize,
    finished: bool,
}

impl TrainHook for Doubling {
    fn after_step(&mut self, _: &mut Training<'_>) -> Result<()> {
        self.steps += 1;
        Ok(())
    }

    fn before_evaluation(&mut self, model: &mut dyn Parameters, _: &LiveSets) -> Result<()> {
        scale(model, 2.0)
    }

    fn after_evaluation(&mut self, model: &mut dyn Parameters) -> Result<()> {
        scale(model, 0.5)
    }

    fn finish(&mut self, _: &mut dyn Parameters, _: &LiveSets, _: usize, _: usize) -> Result<()> {
        self.finished = true;
        Ok(())
    }
}

fn scale(model: &mut dyn Parameters, factor: f32) -> Result<()> {
    model.visit_mut(&mut |tensor| {
        tensor.values.iter_mut().for_each(|w| *w *= factor);
        Ok(())
    })
}

#[test]
fn each_peer_has_hooks_and_says_what_it_says_with_them() {
    let data = blobs(16, FEATURES, CLASSES, 3);
    let mut found = students(2);
    found.iter_mut().for_each(|student| student.epochs = 1);
    let mut doubling = Doubling::default();
    let [a, b] = &mut found[..] else {
        panic!("there are two")
    };
    let peers = vec![
        Peer {
            student: a,
            hooks: vec![&mut doubling],
        },
        Peer::new(b),
    ];
    mutual_learning(peers, &data, &MutualOptions::default()).unwrap();
    assert_eq!((doubling.steps, doubling.finished), (1, true));
    // After the first one's only step the second hears twice its logits.
    let mut said = Linear::of(&found[0].network);
    said.weight *= 2.0;
    said.bias *= 2.0;
    let mut second = Linear::of(&chains(2)[1]);
    let x = data.inputs().mapv(f64::from);
    let (p, q) = (said.softened(&x, 1.0), second.softened(&x, 1.0));
    let mut gradient = &q + &q - &p;
    for (row, &label) in data.labels().iter().enumerate() {
        gradient[(row, label as usize)] -= 1.0;
    }
    second.step(&x, &(gradient / 16.0));
    assert!(farthest(&found[1..], &[second]) < 1e-6);
}

#[test]
fn what_does_not_fit_is_refused_before_any_step() {
    let data = blobs(40, FEATURES, CLASSES, 3);
    let good = MutualOptions::default();
    let refused = |mut students: Vec<Sgd>, data: &dyn Samples, options: &MutualOptions| {
        let before: Vec<_> = students.iter().map(|s| s.network.values()).collect();
        let peers = students.iter_mut().map(|student| Peer::new(student));
        let error = mutual_learning(peers.collect(), data, options).unwrap_err();
        let after: Vec<_> = students.iter().map(|s| s.network.values()).collect();
        assert_eq!(before, after);
        error.to_string()
    };
    let of = |widths: [&[usize]; 2]| widths.map(|w| Sgd::new(Chain::random(w, 1))).into();
    let cases = [
        (
            refused(students(0), &data, &good),
            "the number of peers is 0",
        ),
        (
            refused(students(1), &data, &good),
            "the number of peers is 1",
        ),
        (
            refused(of([&[4, 3], &[4, 2]]), &data, &good),
            "outputs of student 2",
        ),
        (
            refused(of([&[4, 3], &[5, 3]]), &data, &good),
            "reads 5 features",
        ),
        (
            refused(of([&[4, 2], &[4, 2]]), &data, &good),
            "label 2 of sample 2",
        ),
        (
            refused(students(2), &Unlabeled(&data), &good),
            "hard labels are needed",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}");
    }
    let mut longer = students(2);
    longer[1].epochs += 1;
    let error = refused(longer, &data, &good);
    assert!(
        error.contains("steps in all") && error.contains("student 2"),
        "{error}"
    );
    for (temperature, peer_weight) in [(0.0, 1.0), (1.0, -1.0), (1.0, f32::NAN)] {
        let options = MutualOptions {
            temperature,
            peer_weight,
        };
        refused(students(2), &data, &options);
    }
}

#[test]
fn a_peer_that_says_nothing_finite_is_named_with_the_sample() {
    let mut inputs = Array2::zeros((20, 1));
    inputs[(17, 0)] = 3e38;
    let data = ArraySamples::new(inputs, vec![0; 20]).unwrap();
    let mut sound = Sgd::new(Chain::random(&[1, 2], 1));
    sound.network.parameters[0].values_mut().fill(0.0);
    let mut broken = Sgd::new(Chain::random(&[1, 2], 2));
    broken.network.parameters[0].values_mut().fill(3e38);
    let peers = vec![Peer::new(&mut sound), Peer::new(&mut broken)];
    let error = mutual_learning(peers, &data, &MutualOptions::default()).unwrap_err();
    let expected = "teacher 2 of class 0 for sample 17";
    assert!(error.to_string().contains(expected), "{error}");
}
