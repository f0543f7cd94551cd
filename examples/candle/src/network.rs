//! A convolutional network of candle's, and what it offers to the algorithms.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use compress_core::gradients::Gradients;
use compress_core::observe::{Observe, Place, Tap};
use compress_core::parameters::{Change, Parameters, See};
use compress_core::tensor::{Role, TensorMut, TensorRef};
use compress_core::{Error, Result, rng};
use ndarray::{Array2, ArrayView2};

use crate::data::Images;

/// Rows and columns of a kernel, and the step from one place of it to the next.
const KERNEL: usize = 3;
const STRIDE: usize = 2;

/// Two convolutions of stride 2 with ReLU, then a dense layer.
pub struct ConvNet {
    parameters: Vec<(String, Role, Var)>,
    /// Those of the last backward pass.
    gradients: Option<GradStore>,
}

impl ConvNet {
    /// A network of so many channels, with weights from the random stream of `seed`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn new(channels: [usize; 2], seed: u64) -> candle_core::Result<Self> {
        let [a, b] = channels;
        // 28 to 14 to 7 rows and columns.
        let shapes: [(&str, Vec<usize>); 3] = [
            ("conv1", vec![a, 1, KERNEL, KERNEL]),
            ("conv2", vec![b, a, KERNEL, KERNEL]),
            ("head", vec![10, b * 7 * 7]),
        ];
        let mut parameters = Vec::new();
        for (name, shape) in shapes {
            let (outputs, inputs) = (shape[0], shape[1..].iter().product::<usize>());
            let mut stream = rng::stream(seed, &format!("candle.{name}"));
            let bound = (6.0 / inputs as f32).sqrt();
            let draw = |_| (2.0 * rng::uniform(&mut stream) - 1.0) * bound;
            let values: Vec<f32> = (0..outputs * inputs).map(draw).collect();
            let weight = Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
            let bias = Var::from_tensor(&Tensor::from_vec(
                vec![0f32; outputs],
                outputs,
                &Device::Cpu,
            )?)?;
            parameters.push((format!("{name}.weight"), Role::Weight, weight));
            parameters.push((format!("{name}.bias"), Role::Bias, bias));
        }
        Ok(ConvNet {
            parameters,
            gradients: None,
        })
    }

    fn tensor(&self, name: &str) -> &Tensor {
        let found = self.parameters.iter().find(|(known, ..)| known == name);
        found
            .map(|(_, _, var)| var.as_tensor())
            .expect("the network's own names")
    }

    /// What each weight reads, and the logits `[batch, 10]`, of images `[batch, 1, 28, 28]`.
    fn layers(&self, images: &Tensor) -> candle_core::Result<([Tensor; 3], Tensor)> {
        let convolve = |x: &Tensor, name: &str| -> candle_core::Result<Tensor> {
            let weight = self.tensor(&format!("{name}.weight"));
            let bias = self
                .tensor(&format!("{name}.bias"))
                .reshape((1, (), 1, 1))?;
            x.conv2d(weight, KERNEL / 2, STRIDE, 1, 1)?
                .broadcast_add(&bias)?
                .relu()
        };
        let first = convolve(images, "conv1")?;
        let second = convolve(&first, "conv2")?.flatten_from(1)?;
        let logits = second.matmul(&self.tensor("head.weight").t()?)?;
        let logits = logits.broadcast_add(self.tensor("head.bias"))?;
        Ok(([images.clone(), first, second], logits))
    }

    /// Logits `[batch, 10]` of images `[batch, 1, 28, 28]`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn logits(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        Ok(self.layers(images)?.1)
    }

    /// The logits as an array.
    ///
    /// # Errors
    /// Those of candle.
    pub fn logits_array(&self, images: &Tensor) -> candle_core::Result<Array2<f32>> {
        array(&self.logits(images)?)
    }

    /// Runs `images` forward, asks `loss` for the loss of the logits and for its gradient, and leaves
    /// the gradients of all parameters in the network. The loss is a function of plain arrays.
    ///
    /// # Errors
    /// Those of candle and of the loss.
    pub fn backward(
        &mut self,
        images: &Tensor,
        loss: impl FnOnce(ArrayView2<'_, f32>, &mut Array2<f32>) -> Result<f32>,
    ) -> Result<f32> {
        let logits = self.logits(images).map_err(Error::other)?;
        let values = array(&logits).map_err(Error::other)?;
        let mut gradient = Array2::zeros(values.raw_dim());
        let found = loss(values.view(), &mut gradient)?;
        let shape = gradient.dim();
        let gradient = gradient.into_raw_vec_and_offset().0;
        // The sum of logits times the gradient has just that gradient.
        let surrogate = Tensor::from_vec(gradient, shape, &Device::Cpu)
            .and_then(|gradient| (logits * gradient)?.sum_all()?.backward());
        self.gradients = Some(surrogate.map_err(Error::other)?);
        Ok(found)
    }

    /// Images whose largest logit is not that of their label.
    ///
    /// # Errors
    /// Those of candle.
    pub fn errors(&self, images: &Images) -> candle_core::Result<usize> {
        let mut errors = 0;
        let indices: Vec<usize> = (0..images.count()).collect();
        for indices in indices.chunks(BATCH) {
            let (pixels, labels) = images.batch(indices)?;
            let found = self.logits(&pixels)?.argmax(1)?.to_vec1::<u32>()?;
            errors += found.iter().zip(&labels).filter(|(a, b)| a != b).count();
        }
        Ok(errors)
    }
}

/// Images of a batch, where nothing is learned.
const BATCH: usize = 256;

impl Parameters for ConvNet {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        for (name, role, var) in &self.parameters {
            let values = values(var).map_err(Error::other)?;
            see(TensorRef {
                name,
                role: *role,
                shape: var.dims(),
                values: &values,
            })?;
        }
        Ok(())
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        for (name, role, var) in &self.parameters {
            let mut values = values(var).map_err(Error::other)?;
            change(TensorMut {
                name,
                role: *role,
                shape: var.dims(),
                values: &mut values,
            })?;
            let changed = Tensor::from_vec(values, var.dims(), var.device());
            changed
                .and_then(|tensor| var.set(&tensor))
                .map_err(Error::other)?;
        }
        Ok(())
    }
}

impl Gradients for ConvNet {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        let Some(gradients) = &mut self.gradients else {
            let what = "the gradients, which a backward pass leaves".into();
            return Err(Error::Empty { what });
        };
        for (name, role, var) in &self.parameters {
            let Some(gradient) = gradients.get(var) else {
                continue;
            };
            let mut values = values(gradient).map_err(Error::other)?;
            change(TensorMut {
                name,
                role: *role,
                shape: var.dims(),
                values: &mut values,
            })?;
            let changed = Tensor::from_vec(values, var.dims(), var.device());
            gradients.insert(var, changed.map_err(Error::other)?);
        }
        Ok(())
    }
}

/// A network with calibration data.
pub struct OnImages<'a> {
    /// The network.
    pub network: &'a ConvNet,
    /// The data.
    pub images: &'a Images,
}

impl Observe for OnImages<'_> {
    fn batches(&self) -> usize {
        self.images.count().div_ceil(BATCH)
    }

    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> Result<()> {
        let end = self.images.count().min((batch + 1) * BATCH);
        let indices: Vec<usize> = (batch * BATCH..end).collect();
        let shown = || -> candle_core::Result<[Array2<f32>; 3]> {
            let (pixels, _) = self.images.batch(&indices)?;
            let ([first, second, third], _) = self.network.layers(&pixels)?;
            Ok([patches(&first)?, patches(&second)?, array(&third)?])
        };
        let names = ["conv1.weight", "conv2.weight", "head.weight"];
        for (name, rows) in names.iter().zip(shown().map_err(Error::other)?) {
            if tap.wants(Place::InputOf(name)) {
                tap.observe(Place::InputOf(name), rows.view())?;
            }
        }
        Ok(())
    }
}

/// What the kernel of a convolution is multiplied by at each place: `[batch · places, channels ·
/// rows · columns of the kernel]`.
fn patches(images: &Tensor) -> candle_core::Result<Array2<f32>> {
    let (batch, channels, height, width) = images.dims4()?;
    let values = values(images)?;
    let (rows, columns) = (height.div_ceil(STRIDE), width.div_ceil(STRIDE));
    let shape = (batch * rows * columns, channels * KERNEL * KERNEL);
    let value = |(place, element): (usize, usize)| {
        let (image, row, column) = (
            place / (rows * columns),
            place / columns % rows,
            place % columns,
        );
        let (channel, y, x) = (
            element / (KERNEL * KERNEL),
            element / KERNEL % KERNEL,
            element % KERNEL,
        );
        let y = (row * STRIDE + y)
            .checked_sub(KERNEL / 2)
            .filter(|&y| y < height);
        let x = (column * STRIDE + x)
            .checked_sub(KERNEL / 2)
            .filter(|&x| x < width);
        match (y, x) {
            (Some(y), Some(x)) => values[((image * channels + channel) * height + y) * width + x],
            // Outside of the image there are zeros.
            _ => 0.0,
        }
    };
    Ok(Array2::from_shape_fn(shape, value))
}

fn values(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn array(matrix: &Tensor) -> candle_core::Result<Array2<f32>> {
    let shape = matrix.dims2()?;
    Array2::from_shape_vec(shape, values(matrix)?).map_err(candle_core::Error::wrap)
}
