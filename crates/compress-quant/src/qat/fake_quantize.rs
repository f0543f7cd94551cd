//! Quantization-aware training (QAT) with fake quantization, as a training hook.

use std::sync::Arc;

use compress_core::codec::{Grid, Tensor, WeightCodec};
use compress_core::network::{Network, Parameter, Role};
use compress_core::train::{Step, TrainHook};
use compress_core::{Result, structured};

use super::check_fitted;
use super::saturation::Saturation;
use crate::Error;
use crate::codecs::from_grid;
use crate::ptq::encode_each;
use crate::schemes::Scheme;

/// The parameters that a scheme is assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The parameter of this name.
    Name(&'a str),
    /// All parameters of this role.
    Role(Role),
}

/// What happens to the gradient of the quantized weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gradient {
    /// The straight-through estimator (STE): it is taken for the gradient of the full-precision
    /// weights.
    #[default]
    StraightThrough,
    /// The straight-through estimator (STE) with clipping: zero where the weight lies beyond the
    /// grid's range by more than half a step. So no weight drifts off where it has no effect.
    Clipped,
}

/// Quantization-aware training (QAT): trains a network whose weights will be quantized, as if they
/// already were.
///
/// Before each forward pass every weight is replaced by decode(encode(weight)). After the backward
/// pass the full-precision weights are put back, and the optimizer changes those. The codecs are
/// fitted once and then frozen, so [`FakeQuantize::to_tensors`] stores exactly what was trained. A
/// step allocates nothing but the list of parameters that the network hands out.
/// [`crate::qat::LearnedStep`] learns the steps instead.
///
/// Weights that are exactly zero stay zero, unless a codebook has no level at zero. So pruning by a
/// mask works beside it, in either order of hooks.
///
/// Where a forward pass is not followed by its backward pass, as when the loss fails, the network
/// still holds the quantized weights. [`FakeQuantize::restore`] puts the full-precision ones back.
/// The next step also does so.
///
/// # References
/// - Bengio, Léonard, Courville, 1308.3432, section 4: the straight-through estimator (STE).
/// - Hubara et al., 1609.07061, equation 6: the gradient is zero where the weight saturates.
/// - Jacob et al., 1712.05877, section 3: training with simulated quantization.
pub struct FakeQuantize {
    tensors: Vec<Frozen>,
    gradient: Gradient,
    swapped: bool,
}

/// One parameter with its codec.
struct Frozen {
    /// Its position among the network's parameters.
    index: usize,
    name: String,
    shape: Vec<usize>,
    codec: Arc<dyn WeightCodec>,
    saturation: Saturation,
    /// The full-precision weights, while the network holds the quantized ones.
    shadow: Vec<f32>,
}

/// What a checkpoint holds of one parameter.
type Saved = (String, Vec<usize>, Option<Grid>);

impl FakeQuantize {
    /// Fits to each parameter of `network` the scheme of the first assignment that matches it.
    /// Parameters that none matches stay in full precision.
    ///
    /// # Errors
    /// Where an assignment takes no parameter, or a fit fails.
    ///
    /// ```no_run
    /// use compress_core::network::{Network, Role};
    /// use compress_quant::qat::{FakeQuantize, Gradient, Target};
    /// use compress_quant::schemes::{Settings, by_name};
    ///
    /// # fn run(network: &dyn Network) -> compress_core::Result<()> {
    /// let eight = by_name("linear_affine", &Settings { bits: Some(8), ..Settings::default() })?;
    /// let four = by_name("linear_symmetric", &Settings::default())?;
    /// let hook = FakeQuantize::fit(
    ///     network,
    ///     &[
    ///         (Target::Name("layers.2.weight"), eight.as_ref()),
    ///         (Target::Role(Role::Weight), four.as_ref()),
    ///     ],
    /// )?
    /// .with_gradient(Gradient::Clipped);
    /// # Ok(()) }
    /// ```
    pub fn fit(network: &dyn Network, assignments: &[(Target<'_>, &dyn Scheme)]) -> Result<Self> {
        let parameters = network.parameters();
        let mut used = vec![false; assignments.len()];
        let mut tensors = Vec::new();
        for (index, parameter) in parameters.iter().enumerate() {
            let matching = assignments.iter().position(|(target, _)| match target {
                Target::Name(name) => *name == parameter.name(),
                Target::Role(role) => *role == parameter.role(),
            });
            let Some(assignment) = matching else { continue };
            used[assignment] = true;
            let scheme = assignments[assignment].1;
            let (name, shape) = (parameter.name(), parameter.shape());
            let codec = scheme.fit(name, parameter.values(), shape)?;
            tracing::debug!(tensor = name, scheme = scheme.name(), "fitted");
            tensors.push(Frozen::new(index, name, shape, codec.into()));
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            let (target, scheme) = &assignments[unused];
            let known = parameters.iter().map(|p| p.name());
            return Err(Error::Unmatched {
                target: match target {
                    Target::Name(name) => format!("the parameter {name:?}"),
                    Target::Role(role) => format!("the role {role:?}"),
                },
                scheme: scheme.name(),
                known: known.collect::<Vec<_>>().join(", "),
            }
            .into());
        }
        Ok(FakeQuantize {
            tensors,
            gradient: Gradient::default(),
            swapped: false,
        })
    }

    /// Sets what happens to the gradient.
    pub fn with_gradient(mut self, gradient: Gradient) -> Self {
        self.gradient = gradient;
        self
    }

    /// The codec of a parameter; `None` where it stays in full precision.
    pub fn codec(&self, name: &str) -> Option<&dyn WeightCodec> {
        let tensor = self.tensors.iter().find(|t| t.name == name)?;
        Some(tensor.codec.as_ref())
    }

    /// Puts the full-precision weights back, where the network holds quantized ones.
    ///
    /// # Errors
    /// Where the network is not the one that was fitted to; it is then unchanged.
    pub fn restore(&mut self, network: &mut dyn Network) -> Result<()> {
        if !self.swapped {
            return Ok(());
        }
        let mut parameters = network.parameters_mut();
        self.check(&parameters)?;
        for tensor in &self.tensors {
            let values = parameters[tensor.index].values_mut();
            values.copy_from_slice(&tensor.shadow);
        }
        self.swapped = false;
        Ok(())
    }

    /// The network as it is to be stored: parameters with a codec as codes, the rest in full
    /// precision.
    ///
    /// # Errors
    /// Where the network is not the one that was fitted to, or holds a NaN.
    pub fn to_tensors(&self, network: &dyn Network) -> Result<Vec<Tensor>> {
        self.check(&network.parameters())?;
        encode_each(network, |parameter| {
            let tensor = self.tensors.iter().find(|t| t.name == parameter.name());
            tensor
                .map(|tensor| {
                    let values = if self.swapped {
                        &tensor.shadow
                    } else {
                        parameter.values()
                    };
                    tensor.codec.encode(&tensor.name, values, &tensor.shape)
                })
                .transpose()
        })
    }

    /// Fails unless the parameters are those that the codecs were fitted to.
    fn check<P: std::borrow::Borrow<Parameter>>(&self, parameters: &[P]) -> Result<()> {
        for tensor in &self.tensors {
            check_fitted(parameters, tensor.index, &tensor.name, &tensor.shape)?;
        }
        Ok(())
    }
}

impl Frozen {
    fn new(index: usize, name: &str, shape: &[usize], codec: Arc<dyn WeightCodec>) -> Self {
        Frozen {
            index,
            name: name.to_owned(),
            shape: shape.to_vec(),
            saturation: Saturation::of(codec.grid(), shape),
            codec,
            shadow: vec![0.0; shape.iter().product()],
        }
    }
}

impl FakeQuantize {
    /// Swaps the quantized weights in. On an error the network holds the full-precision ones.
    fn swap_in(&mut self, network: &mut dyn Network) -> Result<()> {
        self.restore(network)?;
        let mut parameters = network.parameters_mut();
        self.check(&parameters)?;
        for i in 0..self.tensors.len() {
            let tensor = &mut self.tensors[i];
            let values = parameters[tensor.index].values_mut();
            tensor.shadow.copy_from_slice(values);
            if let Err(error) = tensor.codec.fake_quantize(values, &tensor.shape) {
                for tensor in &self.tensors[..=i] {
                    let values = parameters[tensor.index].values_mut();
                    values.copy_from_slice(&tensor.shadow);
                }
                return Err(error);
            }
        }
        self.swapped = true;
        Ok(())
    }
}

impl TrainHook for FakeQuantize {
    /// Swaps the quantized weights in. On an error the network holds the full-precision ones.
    fn before_forward(&mut self, network: &mut dyn Network, _step: &Step) -> Result<()> {
        self.swap_in(network)
    }

    /// Puts the full-precision weights back, and clips their gradient where asked to.
    fn after_backward(&mut self, network: &mut dyn Network, _step: &Step) -> Result<()> {
        if !self.swapped {
            return Ok(());
        }
        self.restore(network)?;
        if self.gradient == Gradient::Clipped {
            let mut parameters = network.parameters_mut();
            for tensor in &self.tensors {
                let gradient = parameters[tensor.index].gradient_mut();
                tensor.saturation.clip(&tensor.shadow, gradient);
            }
        }
        Ok(())
    }

    /// Swaps the quantized weights in, since these will be stored.
    fn before_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        self.swap_in(network)
    }

    /// Puts the full-precision weights back.
    fn after_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        self.restore(network)
    }

    /// The frozen grids.
    fn save(&self) -> Result<Vec<u8>> {
        if self.swapped {
            return Err(Error::Swapped.into());
        }
        let saved: Vec<Saved> = self
            .tensors
            .iter()
            .map(|t| (t.name.clone(), t.shape.clone(), t.codec.grid().cloned()))
            .collect();
        structured::to_bytes(&saved)
    }

    /// Takes over the grids of a hook that was fitted to the same parameters. On an error
    /// nothing is changed.
    fn load(&mut self, state: &[u8]) -> Result<()> {
        if self.swapped {
            return Err(Error::Swapped.into());
        }
        let saved: Vec<Saved> = structured::from_all_bytes(state)?;
        compress_core::Error::check_shape("saved grids", &[self.tensors.len()], &[saved.len()])?;
        let mut loaded = Vec::new();
        for (tensor, (name, shape, grid)) in self.tensors.iter().zip(saved) {
            if tensor.name != name || tensor.shape != shape {
                return Err(Error::NetworkChanged {
                    name,
                    fitted: shape,
                    found: format!("{} of shape {:?}", tensor.name, tensor.shape),
                }
                .into());
            }
            // Blocks are not fitted, so there is nothing to take over.
            let codec = match grid {
                Some(grid) => from_grid(&name, grid, &shape)?.into(),
                None if tensor.codec.grid().is_none() => Arc::clone(&tensor.codec),
                None => {
                    let what = format!("the saved grid of {name}");
                    return Err(compress_core::Error::invalid(
                        what,
                        "none",
                        "one to take over",
                    ));
                }
            };
            loaded.push(Frozen::new(tensor.index, &name, &shape, codec));
        }
        self.tensors = loaded;
        Ok(())
    }
}
