//! The training loop: optimizers against independent f64 arithmetic, resuming, early stopping,
//! and refusals.

use compress_core::network::Activation;
use compress_core::train::{ArraySamples, Batch, Fit, Loss, Samples, TrainHook, Training};
use compress_core::{Error, Result, structured};
use compress_nn::data::{Augmentation, Augmented, ImageSet};
use compress_nn::{
    CrossEntropy, EarlyStopping, Init, Mlp, Optimizer, Schedule, Settings, Trainer, evaluate,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, array};

use crate::support::bits;

/// Two blobs that a network can tell apart, and some noise.
fn blobs(count: usize) -> ArraySamples {
    let inputs = Array2::from_shape_fn((count, 3), |(i, j)| {
        let side = if i % 2 == 0 { 1.0 } else { -1.0 };
        side * 0.5 + ((i * 7 + j * 13) % 11) as f32 / 11.0 - 0.5
    });
    ArraySamples::new(inputs, (0..count as u32).map(|i| i % 2).collect()).unwrap()
}

fn network() -> Mlp {
    Mlp::new(&[3, 8, 2], Activation::Relu, Init::HeUniform, 3, "test").unwrap()
}

/// A loss whose gradient is the logits' own coefficient, so that a weight's gradient is known:
/// with one input of 1 and one output, both weight and bias get exactly `self.0[step]`.
struct Known(std::sync::Mutex<std::vec::IntoIter<f32>>);

impl Loss for Known {
    fn evaluate(
        &self,
        _: ArrayView2<'_, f32>,
        _: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        gradient.fill(self.0.lock().unwrap().next().unwrap());
        Ok(0.0)
    }
}

const GRADIENTS: [f32; 6] = [0.5, -1.0, 0.25, 2.0, -0.125, 0.75];
const RATE: f64 = 0.1;

/// Trains one weight on the gradients above; returns where it began and where it ended.
fn one_weight(optimizer: Optimizer) -> (f64, f64) {
    let network = Mlp::new(&[1, 1], Activation::Identity, Init::HeUniform, 1, "one").unwrap();
    let before = f64::from(network.parameters()[0].values()[0]);
    let settings = Settings {
        epochs: GRADIENTS.len(),
        batch_size: 1,
        learning_rate: RATE as f32,
        optimizer,
        ..Settings::default()
    };
    let data = ArraySamples::new(array![[1.0]], vec![0]).unwrap();
    let mut trainer = Trainer::new(network, settings).unwrap();
    let loss = Known(GRADIENTS.to_vec().into_iter().into());
    trainer.fit(&data, &loss, &mut []).unwrap();
    (
        before,
        f64::from(trainer.into_network().parameters()[0].values()[0]),
    )
}

impl From<std::vec::IntoIter<f32>> for Known {
    fn from(gradients: std::vec::IntoIter<f32>) -> Self {
        Known(std::sync::Mutex::new(gradients))
    }
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
}

#[test]
fn sgd_is_pytorchs() {
    for (momentum, nesterov, decay) in [(0.0, false, 0.0), (0.9, false, 0.01), (0.9, true, 0.01)] {
        let optimizer = Optimizer::Sgd {
            momentum: momentum as f32,
            nesterov,
            weight_decay: decay as f32,
        };
        let (mut w, found) = one_weight(optimizer);
        let mut velocity = 0.0;
        for g in GRADIENTS {
            let g = f64::from(g) + decay * w;
            velocity = momentum * velocity + g;
            w -= RATE
                * if nesterov {
                    g + momentum * velocity
                } else {
                    velocity
                };
        }
        close(found, w);
    }
}

#[test]
fn adam_and_adamw_are_the_papers() {
    for (decoupled, decay) in [(false, 0.0), (false, 0.1), (true, 0.1)] {
        let (beta1, beta2, epsilon, weight_decay) = (0.9, 0.999, 1e-8, decay as f32);
        let optimizer = if decoupled {
            Optimizer::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            }
        } else {
            Optimizer::Adam {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            }
        };
        let (mut w, found) = one_weight(optimizer);
        let (mut m, mut v) = (0.0f64, 0.0f64);
        for (t, g) in (1..).zip(GRADIENTS) {
            let mut g = f64::from(g);
            if decoupled {
                w -= RATE * decay * w;
            } else {
                g += decay * w;
            }
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let (m_hat, v_hat) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
            w -= RATE * m_hat / (v_hat.sqrt() + 1e-8);
        }
        close(found, w);
    }
}

#[test]
fn a_network_learns_the_blobs() {
    let data = blobs(64);
    let settings = Settings {
        epochs: 60,
        batch_size: 16,
        learning_rate: 0.01,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network(), settings).unwrap();
    trainer.fit(&data, &CrossEntropy, &mut []).unwrap();
    let result = evaluate(&trainer.into_network(), &data).unwrap();
    assert_eq!(result.errors, 0, "{result:?}");
}

/// Counts steps, shrinks weights by the count, and breaks off where it is told to.
struct Shrink {
    steps: u32,
    stop_at: u32,
}

impl TrainHook for Shrink {
    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.steps += 1;
        if self.steps == self.stop_at {
            return Err(Error::Empty {
                what: "the power socket".into(),
            });
        }
        let factor = 1.0 - 1e-4 * self.steps as f32;
        training.model.visit_mut(&mut |tensor| {
            tensor.values.iter_mut().for_each(|w| *w *= factor);
            Ok(())
        })
    }

    fn save(&self) -> Result<Vec<u8>> {
        structured::to_bytes(&self.steps)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.steps = structured::from_bytes(state)?.0;
        Ok(())
    }
}

fn images(count: usize) -> ImageSet {
    let pixels = (0..count * 64).map(|i| (i * 37 % 251) as u8).collect();
    ImageSet::new(pixels, 8, 8, (0..count as u32).map(|i| i % 4).collect()).unwrap()
}

#[test]
fn a_resumed_run_ends_in_the_same_bits() {
    let set = images(50);
    let data = Augmented::new(&set, Augmentation::default(), 5, "augment").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    for (optimizer, batchwise_dropout) in [(Optimizer::adam(), true), (Optimizer::sgd(0.9), false)]
    {
        let settings = Settings {
            epochs: 6,
            batch_size: 16,
            optimizer,
            schedule: Schedule::Cosine { floor: 0.1 },
            dropout_input: 0.1,
            dropout_hidden: 0.3,
            batchwise_dropout,
            max_norm: Some(2.0),
            gradient_clip: Some(0.5),
            ..Settings::default()
        };
        let network = Mlp::new(&[64, 16, 4], Activation::Tanh, Init::XavierNormal, 1, "t").unwrap();
        let trainer = || {
            Trainer::new(network.clone(), settings.clone())
                .unwrap()
                .validation(&set, 1)
        };
        let mut whole = trainer();
        let report = whole
            .fit(
                &data,
                &CrossEntropy,
                &mut [&mut Shrink {
                    steps: 0,
                    stop_at: 0,
                }],
            )
            .unwrap();

        let mut broken = trainer().checkpoint(&path, 1);
        let stopped = broken.fit(
            &data,
            &CrossEntropy,
            &mut [&mut Shrink {
                steps: 0,
                stop_at: 14,
            }],
        );
        assert!(stopped.unwrap_err().to_string().contains("power socket"));
        let mut resumed = trainer().resume(&path);
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut Shrink {
            steps: 0,
            stop_at: 0,
        }];
        assert_eq!(resumed.fit(&data, &CrossEntropy, hooks).unwrap(), report);
        assert_eq!(bits(&resumed.into_network()), bits(&whole.into_network()));
    }
}

struct Idle;

impl TrainHook for Idle {}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused() {
    let data = blobs(20);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    let settings = Settings {
        epochs: 2,
        ..Settings::default()
    };
    let mut first = Trainer::new(network(), settings.clone())
        .unwrap()
        .checkpoint(&path, 1);
    first.fit(&data, &CrossEntropy, &mut []).unwrap();
    let whole = std::fs::read(&path).unwrap();

    let resume = |settings: Settings| {
        let mut trainer = Trainer::new(network(), settings).unwrap().resume(&path);
        trainer
            .fit(&data, &CrossEntropy, &mut [])
            .map_err(|e| e.to_string())
    };
    let other = Settings {
        learning_rate: 0.5,
        ..settings.clone()
    };
    assert!(resume(other).unwrap_err().contains("run.checkpoint"));
    let with = |network: Mlp, data: &ArraySamples, hooks: &mut [&mut dyn TrainHook]| {
        let trainer = Trainer::new(network, settings.clone()).unwrap();
        let error = trainer.resume(&path).fit(data, &CrossEntropy, hooks);
        error.unwrap_err().to_string()
    };
    let narrow = Mlp::new(&[3, 7, 2], Activation::Relu, Init::HeUniform, 3, "test").unwrap();
    for (message, what) in [
        (with(narrow, &data, &mut []), "another architecture"),
        (
            with(network(), &blobs(22), &mut []),
            "another number of samples",
        ),
        (
            with(network(), &data, &mut [&mut Idle]),
            "another number of hooks",
        ),
    ] {
        assert!(
            message.contains(what) && message.contains("run.checkpoint"),
            "{message}"
        );
    }
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(resume(settings.clone()).is_err(), "cut at {length}");
    }
    for position in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();
        assert!(resume(settings.clone()).is_err(), "flipped at {position}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(resume(settings).is_ok());
}

#[test]
fn early_stopping_waits_for_its_patience() {
    let data = blobs(32);
    let patience = 3;
    let settings = Settings {
        epochs: 50,
        // So small that validation improves, but never by as much as is asked for.
        learning_rate: 1e-4,
        early_stopping: Some(EarlyStopping {
            patience,
            min_improvement: 0.01,
        }),
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network(), settings)
        .unwrap()
        .validation(&data, 1);
    let report = trainer.fit(&data, &CrossEntropy, &mut []).unwrap();
    assert!(report.stopped_early);
    assert_eq!(report.epochs.len(), patience + 1);
    let losses = report.epochs.iter().map(|e| e.validation_loss.unwrap());
    assert!(losses.is_sorted_by(|a, b| a > b), "{report:?}");
}

#[test]
fn validation_looks_every_few_epochs_and_at_the_end() {
    let data = blobs(32);
    let settings = Settings {
        epochs: 5,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network(), settings)
        .unwrap()
        .validation(&data, 2);
    let report = trainer.fit(&data, &CrossEntropy, &mut []).unwrap();
    let looked = report.epochs.iter().map(|e| e.validation_errors.is_some());
    assert_eq!(looked.collect::<Vec<_>>(), [false, true, false, true, true]);
}

#[test]
fn max_norm_bounds_each_neuron() {
    let settings = Settings {
        learning_rate: 0.5,
        max_norm: Some(0.25),
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network(), settings).unwrap();
    trainer.fit(&blobs(64), &CrossEntropy, &mut []).unwrap();
    let network = trainer.into_network();
    for row in network.parameters()[0].matrix().rows() {
        let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
        assert!(norm <= 0.25 * 1.0001, "{norm}");
    }
}

#[test]
fn bad_data_is_refused_by_name() {
    let fit = |data: &dyn Samples| {
        let mut trainer = Trainer::new(network(), Settings::default()).unwrap();
        trainer.fit(data, &CrossEntropy, &mut []).unwrap_err()
    };
    let inputs = array![[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]];
    let labels = ArraySamples::new(inputs, vec![0, 7]).unwrap();
    let error = fit(&labels);
    assert!(
        matches!(
            error,
            Error::Label {
                index: 1,
                label: 7,
                classes: 2
            }
        ),
        "{error}"
    );
    let narrow = ArraySamples::new(array![[0.0, 1.0]], vec![0]).unwrap();
    assert!(matches!(fit(&narrow), Error::Shape { .. }));
    let nan = ArraySamples::new(array![[0.0, f32::NAN, 1.0]], vec![0]).unwrap_err();
    assert!(matches!(nan, Error::NonFinite { index: 1, .. }), "{nan}");
}

#[test]
fn divergence_is_an_error_that_says_where() {
    let settings = Settings {
        optimizer: Optimizer::sgd(0.0),
        learning_rate: 1e30,
        epochs: 5,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network(), settings).unwrap();
    let error = trainer
        .fit(&blobs(300), &CrossEntropy, &mut [])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("diverged") && error.contains("step"),
        "{error}"
    );
}

#[test]
fn settings_are_checked_before_use() {
    let wrong = [
        Settings {
            epochs: 0,
            ..Settings::default()
        },
        Settings {
            batch_size: 0,
            ..Settings::default()
        },
        Settings {
            learning_rate: f32::NAN,
            ..Settings::default()
        },
        Settings {
            dropout_hidden: 1.0,
            ..Settings::default()
        },
        Settings {
            max_norm: Some(-1.0),
            ..Settings::default()
        },
        Settings {
            gradient_clip: Some(0.0),
            ..Settings::default()
        },
    ];
    for settings in wrong {
        assert!(
            Trainer::new(network(), settings.clone()).is_err(),
            "{settings:?}"
        );
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let set = images(300);
    let run = |threads: usize, batchwise_dropout| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let data = Augmented::new(&set, Augmentation::default(), 5, "augment").unwrap();
            let widths = [64, 200, 120, 4];
            let network = Mlp::new(&widths, Activation::Gelu, Init::HeNormal, 1, "t").unwrap();
            let settings = Settings {
                epochs: 2,
                dropout_hidden: 0.2,
                batchwise_dropout,
                ..Settings::default()
            };
            let mut trainer = Trainer::new(network, settings).unwrap();
            trainer.fit(&data, &CrossEntropy, &mut []).unwrap();
            bits(&trainer.into_network())
        })
    };
    for batchwise in [false, true] {
        let one = run(1, batchwise);
        assert!(one == run(2, batchwise) && one == run(3, batchwise));
    }
}
