//! A multi-layer perceptron (MLP) with backpropagation, for training the teachers and students that
//! the other crates compress.
//!
//! Optimizers: SGD with momentum, Adam, AdamW. Learning rates: cosine or step schedule, with
//! warm-up. Also dropout, He and Xavier initialization, early stopping, checkpoints and data
//! augmentation.
//!
//! The same seed gives the same weights, bit for bit, on every thread count, instruction set and
//! machine, whether a run is interrupted and resumed or not.
//!
//! ```
//! use compress_core::network::Activation;
//! use compress_core::train::{ArraySamples, Fit};
//! use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer, evaluate};
//! use ndarray::array;
//!
//! // Exclusive or, which no linear model can learn.
//! let inputs = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
//! let data = ArraySamples::new(inputs, vec![0, 1, 1, 0])?;
//!
//! let network = Mlp::new(&[2, 16, 2], Activation::Relu, Init::HeUniform, 1, "example")?;
//! let settings = Settings {
//!     epochs: 200,
//!     batch_size: 4,
//!     learning_rate: 0.02,
//!     optimizer: Optimizer::adam(),
//!     ..Settings::default()
//! };
//! let mut trainer = Trainer::new(network, settings)?;
//! let report = trainer.fit(&data, &CrossEntropy, &mut [])?;
//! assert!(report.epochs[199].training_loss < report.epochs[0].training_loss);
//!
//! let result = evaluate(&trainer.into_network(), &data)?;
//! assert_eq!((result.errors, result.samples), (0, 4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod backprop;
mod batchwise;
#[doc(hidden)]
pub mod checkpoint;
pub mod data;
mod differentiate;
mod error;
mod evaluate;
mod fit;
mod layers;
mod learner;
mod loss;
mod mlp;
pub mod optim;
mod ranges;
mod rows;
mod settings;
mod shown;
mod sparse;
mod state;
mod step;
mod trainer;

pub use compress_core::chain::Front;
pub use compress_core::codec::Tensor;
pub use compress_core::network::{Activation, Architecture, Forward, Parameter};
pub use compress_core::rng::Stream;
pub use compress_core::train::{Fit, FitInSteps, Loss, Samples, TrainHook};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, evaluate};
pub use layers::init::Init;
pub use loss::CrossEntropy;
pub use mlp::Mlp;
pub use optim::{Optimizer, Schedule};
pub use settings::{EarlyStopping, Settings};
pub use trainer::{Progress, Trainer};
