//! By how much biases move: by smaller and smaller steps, or on a grid.

use compress_core::codec::sqrt2_power;
use compress_core::{Error, Result};

use super::chain::{Chain, Layer};
use super::pieces::Pieces;

/// Without a grid, a bias first moves by this share of the root mean square of its layer's outputs,
/// and by less in later sweeps.
const SHARE: f64 = 0.003;
const DECAY: f32 = 0.7;

/// The step of each layer, in the units of the layer's scaled products.
pub(super) struct BiasSteps {
    steps: Vec<f32>,
    of_a_grid: bool,
}

impl BiasSteps {
    /// Free steps, or the grid of this `share` ([`super::options::RefineOptions::bias_grid`]), onto which
    /// the biases are rounded.
    pub(super) fn new(chain: &mut Chain, pieces: &mut Pieces, share: Option<f32>) -> Result<Self> {
        let Some(share) = share else {
            return Ok(BiasSteps {
                steps: pieces.bias_steps(chain, SHARE),
                of_a_grid: false,
            });
        };
        let wanted = pieces.bias_steps(chain, f64::from(share));
        let layers = chain.layers.iter().zip(wanted);
        let steps = layers.map(|(layer, wanted)| step_of_grid(layer, wanted));
        let grid = BiasSteps {
            steps: steps.collect::<Result<_>>()?,
            of_a_grid: true,
        };
        for layer in 0..chain.layers.len() {
            for row in 0..chain.layers[layer].bias.len() {
                let by = grid.to_nearest(chain, layer, row);
                let change = Chain::bias_change(layer, row, by);
                let losses = pieces.losses_if_worth(chain, change, f64::INFINITY)?;
                let losses = losses.ok_or_else(|| {
                    let what = format!(
                        "the loss with bias {row} beside {}",
                        chain.layers[layer].name
                    );
                    let expected = "finite on the grid: choose a smaller share for it";
                    Error::invalid(what, "not finite", expected)
                })?;
                pieces.apply(chain, change, &losses)?;
                chain.move_bias(layer, row, by);
            }
        }
        Ok(grid)
    }

    pub(super) fn are_of_a_grid(&self) -> bool {
        self.of_a_grid
    }

    /// The two changes of a bias that may be worth it; none where the layer gives only zeros.
    pub(super) fn up_and_down(&self, chain: &Chain, layer: usize, row: usize) -> Option<[f32; 2]> {
        let step = self.steps[layer];
        // On a grid, the bias ends on a multiple again, without an error of float addition.
        let from = match self.of_a_grid {
            true => self.to_nearest(chain, layer, row),
            false => 0.0,
        };
        (step != 0.0).then_some([from + step, from - step])
    }

    /// What takes a bias to the nearest multiple.
    fn to_nearest(&self, chain: &Chain, layer: usize, row: usize) -> f32 {
        let (step, bias) = (self.steps[layer], chain.layers[layer].bias_at(row));
        match step {
            0.0 => 0.0,
            _ => (bias / step).round_ties_even() * step - bias,
        }
    }

    /// Makes steps smaller, after a sweep.
    pub(super) fn decay(&mut self) {
        if !self.of_a_grid {
            self.steps.iter_mut().for_each(|step| *step *= DECAY);
        }
    }
}

/// The power of √2 in the layer's units that is nearest to `wanted`; 0 for a layer that gives only
/// zeros.
fn step_of_grid(layer: &Layer, wanted: f32) -> Result<f32> {
    if wanted == 0.0 {
        return Ok(0.0);
    }
    let distance = |step: f32| {
        let ratio = f64::from(step) / f64::from(wanted);
        ratio.max(1.0 / ratio)
    };
    let steps = (-120..=120).map(|exponent| sqrt2_power(exponent) * layer.unit());
    let nearest = steps.min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    // Within half a power, but for what is beyond all of them.
    nearest.filter(|&step| distance(step) < 1.2).ok_or_else(|| {
        let what = format!("the grid of the biases beside {}", layer.name);
        let unit = layer.unit();
        let expected = format!("within 2^±60 times {unit}: choose another share of what it gives");
        Error::invalid(what, wanted, expected)
    })
}
