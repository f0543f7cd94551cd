//! Derivatives of a model that can be worked out by hand: a weight of two values and a bias.

use ndarray::{ArrayView2, ArrayViewMut2, array};

use super::*;
use crate::parameter::Parameter;
use crate::parameters::{Change, Parameters, See};
use crate::samples::ArraySamples;
use crate::tensor::{TensorMut, TensorRef};

/// y = w₀·x₀ + w₁·x₁ + b.
struct Model {
    weight: [f32; 2],
    bias: [f32; 1],
    gradients: [f32; 3],
}

impl Parameters for Model {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        let (name, role, values) = ("w", Role::Weight, &self.weight);
        see(TensorRef {
            name,
            role,
            shape: &[1, 2],
            values,
        })?;
        let (name, role, values) = ("b", Role::Bias, &self.bias);
        see(TensorRef {
            name,
            role,
            shape: &[1],
            values,
        })
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        let (name, role, values) = ("w", Role::Weight, &mut self.weight);
        change(TensorMut {
            name,
            role,
            shape: &[1, 2],
            values,
        })?;
        let (name, role, values) = ("b", Role::Bias, &mut self.bias);
        change(TensorMut {
            name,
            role,
            shape: &[1],
            values,
        })
    }
}

impl Gradients for Model {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        let (weight, bias) = self.gradients.split_at_mut(2);
        let (name, role, values) = ("w", Role::Weight, weight);
        change(TensorMut {
            name,
            role,
            shape: &[1, 2],
            values,
        })?;
        let (name, role, values) = ("b", Role::Bias, bias);
        change(TensorMut {
            name,
            role,
            shape: &[1],
            values,
        })
    }
}

impl Differentiate for Model {
    fn differentiate(&mut self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<f32> {
        let [v, w] = self.weight;
        let rows = batch.inputs.rows().into_iter();
        let y: Vec<f32> = rows.map(|x| v * x[0] + w * x[1] + self.bias[0]).collect();
        let y = Array2::from_shape_vec((y.len(), 1), y).unwrap();
        let mut dy = Array2::zeros(y.raw_dim());
        let value = loss.evaluate(y.view(), batch, dy.view_mut())?;
        self.gradients = [0.0; 3];
        for (x, dy) in batch.inputs.rows().into_iter().zip(&dy) {
            self.gradients[0] += x[0] * dy;
            self.gradients[1] += x[1] * dy;
            self.gradients[2] += dy;
        }
        Ok(value)
    }
}

/// Half the mean of squared outputs.
struct HalfSquares;

impl Loss for HalfSquares {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        _: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let rows = logits.nrows() as f32;
        gradient.assign(&logits.mapv(|y| y / rows));
        Ok(logits.iter().map(|y| y * y).sum::<f32>() / (2.0 * rows))
    }
}

fn model() -> Model {
    Model {
        weight: [2.0, -1.0],
        bias: [0.5],
        gradients: [9.0; 3],
    }
}

fn samples() -> ArraySamples {
    ArraySamples::new(
        array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]],
        vec![],
    )
    .unwrap()
}

/// The outputs of [`model`] on [`samples`].
const OUTPUTS: [f32; 4] = [2.5, -0.5, 1.5, 3.5];

#[track_caller]
fn assert_near(found: &ByTensor, expected: &[(&str, &[f32])], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for ((name, values), (wanted, expected)) in found.iter().zip(expected) {
        assert_eq!(name, wanted);
        for (v, e) in values.iter().zip(*expected) {
            assert!((v - e).abs() <= tolerance * e.abs(), "{name}: {v} for {e}");
        }
    }
}

#[test]
fn the_mean_gradient_is_that_of_all_samples() {
    let found = mean_gradient(&mut model(), &samples(), &HalfSquares).unwrap();
    let x = samples();
    let mean = |f: &dyn Fn(usize) -> f32| (0..4).map(f).sum::<f32>() / 4.0;
    let weight = [0, 1].map(|j| mean(&|i| OUTPUTS[i] * x.inputs()[(i, j)]));
    let bias = [mean(&|i| OUTPUTS[i])];
    assert_near(&found, &[("w", &weight), ("b", &bias)], 1e-6);
}

#[test]
fn squares_are_those_of_single_samples() {
    let found = mean_squared_gradient(&mut model(), &samples(), &HalfSquares).unwrap();
    let x = samples();
    let mean = |f: &dyn Fn(usize) -> f32| (0..4).map(|i| f(i) * f(i)).sum::<f32>() / 4.0;
    let weight = [0, 1].map(|j| mean(&|i| OUTPUTS[i] * x.inputs()[(i, j)]));
    let bias = [mean(&|i| OUTPUTS[i])];
    assert_near(&found, &[("w", &weight), ("b", &bias)], 1e-6);
}

#[test]
fn the_hessian_of_a_square_is_the_gram_matrix() {
    let mut model = model();
    let v = vec![
        ("w".to_owned(), vec![1.0, 2.0]),
        ("b".to_owned(), vec![-1.0]),
    ];
    let found = hessian_product(&mut model, &samples(), &HalfSquares, &v).unwrap();
    // H is the mean of x·xᵀ with x = (x₀, x₁, 1): [6, 3, 4; 3, 3, 3; 4, 3, 4] / 4.
    let weight = [(6.0 + 6.0 - 4.0) / 4.0, (3.0 + 6.0 - 3.0) / 4.0];
    let bias = [(4.0 + 6.0 - 4.0) / 4.0];
    assert_near(&found, &[("w", &weight), ("b", &bias)], 1e-3);
    assert_eq!((model.weight, model.bias), ([2.0, -1.0], [0.5]));
    let none = vec![("w".to_owned(), vec![0.0; 2])];
    let found = hessian_product(&mut model, &samples(), &HalfSquares, &none).unwrap();
    assert_near(&found, &[("w", &[0.0; 2])], 0.0);
}

#[test]
fn flow_takes_magnitudes_and_leaves_the_model_as_it_was() {
    let mut model = model();
    let found = synaptic_flow(&mut model, 2).unwrap();
    assert_near(&found, &[("w", &[1.0, 1.0]), ("b", &[1.0])], 0.0);
    assert_eq!((model.weight, model.bias), ([2.0, -1.0], [0.5]));
}

/// y = gain · (w·x): a weight, then a gain that is no weight.
struct Gained([Parameter; 2]);

impl Gained {
    fn new(weight: [f32; 2], gain: f32) -> Self {
        let of = |name, role, shape, values| Parameter::new(name, role, shape, values).unwrap();
        Gained([
            of("w", Role::Weight, vec![1, 2], weight.to_vec()),
            of("gain", Role::Other, vec![1], vec![gain]),
        ])
    }
}

impl Parameters for Gained {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.0.iter().try_for_each(|p| see(p.tensor()))
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        let mut all = self.0.iter_mut();
        all.try_for_each(|p| change(p.tensor_mut()))
    }
}

impl Gradients for Gained {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        let mut all = self.0.iter_mut();
        all.try_for_each(|p| change(p.gradient_tensor_mut()))
    }
}

impl Differentiate for Gained {
    fn differentiate(&mut self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<f32> {
        let x = [batch.inputs[(0, 0)], batch.inputs[(0, 1)]];
        let [weight, gain] = &mut self.0;
        let scale = gain.values()[0];
        let inner = weight.values()[0] * x[0] + weight.values()[1] * x[1];
        let (y, mut dy) = (array![[scale * inner]], array![[0.0]]);
        let value = loss.evaluate(y.view(), batch, dy.view_mut())?;
        let of_weight = x.map(|x| dy[(0, 0)] * scale * x);
        weight.gradient_mut().copy_from_slice(&of_weight);
        gain.gradient_mut().fill(dy[(0, 0)] * inner);
        Ok(value)
    }
}

#[test]
fn flow_goes_through_gains_and_fails_where_no_path_is_left() {
    let found = synaptic_flow(&mut Gained::new([2.0, -1.0], -3.0), 2).unwrap();
    assert_near(&found, &[("w", &[3.0, 3.0]), ("gain", &[3.0])], 0.0);
    let mut cut = Gained::new([2.0, -1.0], 0.0);
    let error = synaptic_flow(&mut cut, 2).unwrap_err().to_string();
    assert!(error.contains("the synaptic flow"), "{error}");
    assert_eq!(cut.0[0].values(), [2.0, -1.0]);
    // Without weights there is nothing to cut.
    let found = synaptic_flow(&mut Gained::new([0.0; 2], 1.0), 2).unwrap();
    assert_near(&found, &[("w", &[1.0, 1.0]), ("gain", &[0.0])], 0.0);
}

#[test]
fn the_model_has_its_values_again_after_an_error() {
    let mut model = model();
    let v = vec![("w".to_owned(), vec![f32::MAX, f32::MAX])];
    assert!(hessian_product(&mut model, &samples(), &NoLoss, &v).is_err());
    assert_eq!(model.weight, [2.0, -1.0]);
    let unknown = vec![("x".to_owned(), vec![1.0])];
    assert!(hessian_product(&mut model, &samples(), &HalfSquares, &unknown).is_err());
}

/// Fails.
struct NoLoss;

impl Loss for NoLoss {
    fn evaluate(
        &self,
        _: ArrayView2<'_, f32>,
        _: &Batch<'_>,
        _: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        Err(Error::Empty {
            what: "the loss".into(),
        })
    }
}
