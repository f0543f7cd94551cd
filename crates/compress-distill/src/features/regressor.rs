//! The regressor of a hint: a learned map from the student's features to the teacher's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compress_core::hook::{TrainHook, Training};
use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::kernels::memory;
use compress_core::ops::optimizer::Adam;
use compress_core::{Error, Result, rng, structured};
use ndarray::{Array2, ArrayView2};

/// The decay of Adam's means.
const BETAS: [f32; 2] = [0.9, 0.999];

/// How a regressor begins and learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegressorOptions {
    /// Its learning rate, as a multiple of the student's; positive. Default: 1.
    pub rate: f32,
    /// The seed of its first weights. Default: 0.
    pub seed: u64,
}

impl Default for RegressorOptions {
    fn default() -> Self {
        RegressorOptions { rate: 1.0, seed: 0 }
    }
}

/// An affine map from the student's features to the teacher's, which is learned along with the
/// student. Clones share one map: one is given to a [`Hint`](super::Hint), the other to the
/// training run as a hook.
///
/// Each evaluation of the hint leaves the gradient with respect to the map. Those of one step add
/// up, and after the step the hook takes a step of Adam along their sum. (So a weight of the hint in
/// a sum of losses does not matter to the map.) The hook saves the map and Adam's state in
/// checkpoints. A run without the hook keeps the map as it is.
///
/// The first weights are uniform, as Glorot's; the first bias is 0. The map has no nonlinearity
/// behind it.
///
/// # Errors
/// The run fails where a value of the map or of its gradient is no longer finite.
///
/// # References
/// Romero et al. 2015 (1412.6550), section 2.2: the regressor r, in the form of a dense layer.
/// Kingma, Ba 2015 (1412.6980), algorithm 1. Glorot, Bengio 2010, equation 16.
#[derive(Clone)]
pub struct Regressor {
    shared: Arc<Mutex<State>>,
    rate: f32,
}

/// Row-major weights `[outputs, inputs]` and the bias behind them; the same for gradient and
/// moments.
struct State {
    inputs: usize,
    outputs: usize,
    values: Vec<f32>,
    /// The sum of this step's evaluations; none before the first.
    gradient: Option<Vec<f32>>,
    moments: [Vec<f32>; 2],
    /// β₁ᵗ and β₂ᵗ after t steps.
    powers: [f32; 2],
}

/// Inputs, values, moments, powers.
type Saved = (usize, Vec<f32>, [Vec<f32>; 2], [f32; 2]);

impl Regressor {
    /// A map from `student` features to `teacher` features.
    ///
    /// # Errors
    /// Where a width is 0 or the map too large for memory, or the rate is not positive and finite.
    pub fn new(student: usize, teacher: usize, options: RegressorOptions) -> Result<Self> {
        let RegressorOptions { rate, seed } = options;
        if !(rate.is_finite() && rate > 0.0) {
            let what = "the rate of the regressor";
            return Err(Error::invalid(what, rate, "positive and finite"));
        }
        for (what, width) in [("student", student), ("teacher", teacher)] {
            if width == 0 {
                let what = format!("the width of the {what} of a regressor");
                return Err(Error::invalid(what, width, "at least 1"));
            }
        }
        let what = "the regressor";
        let count = student.saturating_add(1).saturating_mul(teacher);
        let zeros = || memory::filled(what, count, 0.0);
        let (mut values, moments) = (zeros()?, [zeros()?, zeros()?]);
        let bound = (6.0 / (student as f64 + teacher as f64)).sqrt() as f32;
        let weights = &mut values[..student * teacher];
        rng::fill_uniform(
            &mut rng::stream(seed, "distill.regressor"),
            -bound,
            bound,
            weights,
        )?;
        let state = State {
            inputs: student,
            outputs: teacher,
            values,
            gradient: None,
            moments,
            powers: [1.0; 2],
        };
        let shared = Arc::new(Mutex::new(state));
        Ok(Regressor { shared, rate })
    }

    /// What the map makes of the student's features `[batch, student]`: `[batch, teacher]`.
    ///
    /// # Errors
    /// Where they have another width.
    pub fn map(&self, student: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let state = self.state();
        let what = "the student's features, as the regressor reads them";
        Error::check_shape(what, &[student.nrows(), state.inputs], student.shape())?;
        let mut out = Array2::zeros((student.nrows(), state.outputs));
        let (weights, bias) = state.parts()?;
        gemm(student, weights.t(), Init::Bias(bias), out.view_mut())?;
        Ok(out)
    }

    /// The gradient with respect to the student's features, given that with respect to the map's
    /// outputs. Adds that with respect to the map to those of this step.
    pub(super) fn backward(
        &self,
        student: ArrayView2<'_, f32>,
        by_output: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>> {
        let mut state = self.state();
        let mut by_input = Array2::zeros(student.raw_dim());
        let (weights, _) = state.parts()?;
        gemm(by_output, weights, Init::Zero, by_input.view_mut())?;
        let mut by_weights = Array2::zeros(weights.raw_dim());
        gemm(by_output.t(), student, Init::Zero, by_weights.view_mut())?;
        let sum = |column: ndarray::ArrayView1<'_, f32>| {
            column.iter().map(|&g| f64::from(g)).sum::<f64>() as f32
        };
        let by_bias = by_output.columns().into_iter().map(sum);
        let gradient: Vec<f32> = by_weights.into_iter().chain(by_bias).collect();
        let values = by_input.as_slice().unwrap_or_default();
        Error::check_finite("the gradient of the student's features", values)?;
        match &mut state.gradient {
            None => state.gradient = Some(gradient),
            Some(known) => known.iter_mut().zip(gradient).for_each(|(k, g)| *k += g),
        }
        Ok(by_input)
    }

    /// A thread that panicked elsewhere while it held the lock has left whole vectors behind.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Weights and bias.
    fn parts(&self) -> Result<(ArrayView2<'_, f32>, &[f32])> {
        let (weights, bias) = self.values.split_at(self.inputs * self.outputs);
        let shape = (self.outputs, self.inputs);
        Ok((
            ArrayView2::from_shape(shape, weights).map_err(Error::other)?,
            bias,
        ))
    }

    /// Takes a step of Adam along this step's gradient, if there is one.
    fn step(&mut self, rate: f32) -> Result<()> {
        let Some(gradient) = self.gradient.take() else {
            return Ok(());
        };
        Error::check_finite("the gradient of the regressor", &gradient)?;
        for (power, beta) in self.powers.iter_mut().zip(BETAS) {
            *power *= beta;
        }
        let adam = Adam {
            factor: 1.0,
            coupled_decay: 0.0,
            shrink: 1.0,
            first_share: 1.0 - BETAS[0],
            beta2: BETAS[1],
            second_share: 1.0 - BETAS[1],
            step: rate / (1.0 - self.powers[0]),
            correction: (1.0 - self.powers[1]).sqrt(),
            epsilon: 1e-8,
        };
        let [first, second] = &mut self.moments;
        adam.step(&mut self.values, &gradient, first, second)?;
        Error::check_finite("the regressor", &self.values)
    }
}

impl TrainHook for Regressor {
    fn before_forward(&mut self, _: &mut Training<'_>) -> Result<()> {
        self.state().gradient = None;
        Ok(())
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.state().step(training.step.learning_rate * self.rate)
    }

    fn save(&self) -> Result<Vec<u8>> {
        let state = self.state();
        let (values, moments) = (state.values.clone(), state.moments.clone());
        let saved: Saved = (state.inputs, values, moments, state.powers);
        structured::to_bytes(&saved)
    }

    fn load(&mut self, saved: &[u8]) -> Result<()> {
        let (inputs, values, moments, powers): Saved = structured::from_all_bytes(saved)?;
        let mut state = self.state();
        let what = "inputs and values of the saved regressor";
        let expected = [state.inputs, state.values.len()];
        for values in moments.iter().chain([&values]) {
            Error::check_shape(what, &expected, &[inputs, values.len()])?;
            Error::check_finite("the saved regressor", values)?;
        }
        if let Some(moment) = moments[1].iter().find(|&&moment| moment < 0.0) {
            let what = "a second moment of the saved regressor";
            return Err(Error::invalid(what, moment, "not negative"));
        }
        if let Some(power) = powers.iter().find(|power| !(0.0..=1.0).contains(*power)) {
            let what = "a power of the saved regressor";
            return Err(Error::invalid(what, power, "from 0 to 1"));
        }
        state.gradient = None;
        (state.values, state.moments, state.powers) = (values, moments, powers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_map() {
        let regressor = Regressor::new(2, 3, RegressorOptions::default()).unwrap();
        let student = array![[0.5_f32, -1.0], [2.0, 0.25]];
        let by_output = array![[1.0_f32, -2.0, 0.5], [0.25, 1.5, -1.0]];
        // The outputs weighted by `by_output`, in f64.
        let of = |values: &[f64]| -> f64 {
            let outputs = by_output.indexed_iter().map(|((row, output), &g)| {
                let weighted: f64 = (0..2)
                    .map(|i| values[2 * output + i] * f64::from(student[(row, i)]))
                    .sum();
                f64::from(g) * (weighted + values[6 + output])
            });
            outputs.sum()
        };
        // Two evaluations of one step add up.
        for _ in 0..2 {
            regressor
                .backward(student.view(), by_output.view())
                .unwrap();
        }
        let state = regressor.state();
        let values: Vec<f64> = state.values.iter().map(|&v| f64::from(v)).collect();
        let gradient = state.gradient.clone().unwrap();
        assert_eq!(gradient.len(), 9);
        for (i, &g) in gradient.iter().enumerate() {
            let at = |h: f64| {
                let mut moved = values.clone();
                moved[i] += h;
                of(&moved)
            };
            let slope = 2.0 * (at(1e-4) - at(-1e-4)) / 2e-4;
            assert!((f64::from(g) - slope).abs() < 1e-5, "{i}: {g} {slope}");
        }
    }
}
