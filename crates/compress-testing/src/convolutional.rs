//! A small convolutional network that implements the contracts.

use compress_core::Result;
use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::network::{Forward, Parameter, Role};
use compress_core::observe::{Place, Tap, Tapped};
use compress_core::ops::activation::Activation;
use compress_core::ops::elementwise;
use compress_core::parameters::{Change, Parameters, See};
use compress_core::{Error, rng};
use ndarray::{Array2, Array4, ArrayView2};

/// Height and width of a convolution's kernel.
const KERNEL: usize = 3;

/// Convolutions of 3×3 without padding, each with ReLU, and a dense layer on all of the last
/// features. Samples are images, row by row. Its tensors are `convs.0.weight`, `convs.0.bias`, …,
/// `head.weight`, `head.bias`.
#[derive(Clone)]
pub struct Convolutional {
    /// Height and width of an image.
    side: usize,
    /// Weight and bias of each convolution, then of the dense layer.
    parameters: Vec<Parameter>,
}

impl Convolutional {
    /// On images of `side` by `side` pixels and one channel, with `channels` behind each
    /// convolution. Weights are random, but the filters of a convolution are mixtures of half as many
    /// with a little noise: channels are correlated, as those of trained networks are.
    ///
    /// # Panics
    /// Where the images are too small for the convolutions.
    pub fn correlated(side: usize, channels: &[usize], outputs: usize, seed: u64) -> Self {
        let mut parameters = Vec::new();
        let mut inputs = 1;
        for (i, &count) in channels.iter().enumerate() {
            let name = format!("convs.{i}");
            let shape = vec![count, inputs, KERNEL, KERNEL];
            push(&mut parameters, &name, shape, seed);
            inputs = count;
        }
        let last = side.checked_sub(channels.len() * (KERNEL - 1)).unwrap();
        push(
            &mut parameters,
            "head",
            vec![outputs, inputs * last * last],
            seed,
        );
        Convolutional { side, parameters }
    }

    /// The parameter of this name, to change.
    ///
    /// # Panics
    /// Where there is none.
    pub fn parameter_mut(&mut self, name: &str) -> &mut Parameter {
        let found = self.parameters.iter_mut().find(|p| p.name() == name);
        found.unwrap()
    }

    fn run(&self, inputs: ArrayView2<'_, f32>, tap: &mut dyn Tap) -> Result<Array2<f32>> {
        Error::check_shape("inputs", &[inputs.nrows(), self.features()], inputs.shape())?;
        let (samples, mut side) = (inputs.nrows(), self.side);
        let (convolutions, head) = self.parameters.split_at(self.parameters.len() - 2);
        // [samples, channels, height, width]
        let images = inputs
            .to_owned()
            .into_shape_with_order((samples, 1, side, side));
        let mut images = images.map_err(Error::other)?;
        for pair in convolutions.chunks(2) {
            side -= KERNEL - 1;
            let rows = multiply(pair, patches(&images).view(), Activation::Relu, tap)?;
            let shape = (samples, side, side, rows.ncols());
            let positions = rows.into_shape_with_order(shape).map_err(Error::other)?;
            images = positions
                .permuted_axes([0, 3, 1, 2])
                .as_standard_layout()
                .into_owned();
        }
        let features = images.len() / samples.max(1);
        let flat = images
            .into_shape_with_order((samples, features))
            .map_err(Error::other)?;
        multiply(head, flat.view(), Activation::Identity, tap)
    }
}

/// A weight of this shape and its bias.
fn push(parameters: &mut Vec<Parameter>, name: &str, shape: Vec<usize>, seed: u64) {
    let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
    let mut stream = rng::stream(seed, name);
    let mut random = |rows, columns, deviation: f32| {
        let bound = 3.0f32.sqrt() * deviation;
        let draw = || (2.0 * rng::uniform(&mut stream) - 1.0) * bound;
        Array2::from_shape_simple_fn((rows, columns), draw)
    };
    let basis = rows.div_ceil(2);
    let filters = random(basis, columns, 1.0 / (columns as f32).sqrt());
    let mix = random(rows, basis, 1.5 / (basis as f32).sqrt());
    let mut weight = random(rows, columns, 0.1 / (columns as f32).sqrt());
    let bias = random(1, rows, 0.1).into_raw_vec_and_offset().0;
    gemm(
        mix.view(),
        filters.view(),
        Init::Accumulate,
        weight.view_mut(),
    )
    .unwrap();
    let values = weight.into_raw_vec_and_offset().0;
    let weight = Parameter::new(format!("{name}.weight"), Role::Weight, shape, values);
    parameters.push(weight.unwrap());
    parameters.push(Parameter::bias(format!("{name}.bias"), bias));
}

/// What a kernel multiplies at each position (im2col): `[samples · height · width, channels · 9]`.
fn patches(images: &Array4<f32>) -> Array2<f32> {
    let (samples, channels, height, width) = images.dim();
    let (height, width) = (height + 1 - KERNEL, width + 1 - KERNEL);
    let shape = (samples * height * width, channels * KERNEL * KERNEL);
    Array2::from_shape_fn(shape, |(row, column)| {
        let (sample, y, x) = (row / (height * width), row / width % height, row % width);
        let (channel, at) = (column / (KERNEL * KERNEL), column % (KERNEL * KERNEL));
        images[(sample, channel, y + at / KERNEL, x + at % KERNEL)]
    })
}

/// `activation(rows · weightᵀ + bias)`, shown to `tap` with what is read.
fn multiply(
    pair: &[Parameter],
    rows: ArrayView2<'_, f32>,
    activation: Activation,
    tap: &mut dyn Tap,
) -> Result<Array2<f32>> {
    let (weight, bias) = (&pair[0], &pair[1]);
    let place = Place::InputOf(weight.name());
    if tap.wants(place) {
        tap.observe(place, rows)?;
    }
    let mut out = Array2::zeros((rows.nrows(), bias.values().len()));
    gemm(
        rows,
        weight.matrix().t(),
        Init::Bias(bias.values()),
        out.view_mut(),
    )?;
    elementwise::activate(activation, out.as_slice_mut().unwrap())?;
    let place = Place::Value(weight.name().trim_end_matches(".weight"));
    if tap.wants(place) {
        tap.observe(place, out.view())?;
    }
    Ok(out)
}

/// Wants nothing.
struct Blind;

impl Tap for Blind {
    fn wants(&self, _: Place<'_>) -> bool {
        false
    }

    fn observe(&mut self, _: Place<'_>, _: ArrayView2<'_, f32>) -> Result<()> {
        Ok(())
    }
}

impl Parameters for Convolutional {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.parameters.iter().try_for_each(|p| see(p.tensor()))
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        let mut parameters = self.parameters.iter_mut();
        parameters.try_for_each(|p| change(p.tensor_mut()))
    }
}

impl Tapped for Convolutional {
    fn run_tapped(&self, inputs: ArrayView2<'_, f32>, tap: &mut dyn Tap) -> Result<()> {
        self.run(inputs, tap).map(|_| ())
    }
}

impl Forward for Convolutional {
    fn features(&self) -> usize {
        self.side * self.side
    }

    fn outputs(&self) -> usize {
        self.parameters[self.parameters.len() - 1].values().len()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.run(inputs, &mut Blind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_computes_what_sums_over_pixels_say() {
        let network = Convolutional::correlated(6, &[3, 4], 2, 1);
        let inputs =
            Array2::from_shape_fn((5, 36), |(i, j)| ((i * 36 + j) * 37 % 101) as f32 / 101.0);
        let found = network.forward(inputs.view()).unwrap();
        let [w0, b0, w1, b1, w2, b2] = [0, 1, 2, 3, 4, 5].map(|i| network.parameters[i].values());
        for sample in 0..5 {
            let pixel = |y: usize, x: usize| f64::from(inputs[(sample, 6 * y + x)]);
            let at = |c: usize, y: usize, x: usize| {
                let sum: f64 = (0..9)
                    .map(|k| f64::from(w0[c * 9 + k]) * pixel(y + k / 3, x + k % 3))
                    .sum();
                (sum + f64::from(b0[c])).max(0.0)
            };
            let next = |c: usize, y: usize, x: usize| {
                let sum: f64 = (0..27)
                    .map(|k| f64::from(w1[c * 27 + k]) * at(k / 9, y + k % 9 / 3, x + k % 3))
                    .sum();
                (sum + f64::from(b1[c])).max(0.0)
            };
            for output in 0..2 {
                let sum: f64 = (0..16)
                    .map(|k| f64::from(w2[output * 16 + k]) * next(k / 4, k % 4 / 2, k % 2))
                    .sum();
                let expected = sum + f64::from(b2[output]);
                assert!((f64::from(found[(sample, output)]) - expected).abs() < 1e-5);
            }
        }
    }
}
