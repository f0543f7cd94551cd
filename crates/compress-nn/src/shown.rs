//! What a layer gives as a loss reads it, and the loss's gradient with respect to it: row by row,
//! however the buffers of the passes lie.

use compress_core::train::Value;
use compress_core::{Error, Result};
use ndarray::Array2;

use crate::Mlp;
use crate::rows::{by_feature, by_feature_mut, first, first_mut};

/// Both `[capacity, features]`.
#[derive(Debug)]
pub(crate) struct Shown {
    rows: Array2<f32>,
    gradient: Array2<f32>,
}

impl Shown {
    pub(crate) fn new(capacity: usize, features: usize) -> Self {
        Shown {
            rows: Array2::zeros((capacity, features)),
            gradient: Array2::zeros((capacity, features)),
        }
    }

    /// Takes the first `rows` rows of a layer's output.
    pub(crate) fn take(&mut self, output: &Array2<f32>, rows: usize, order: Order) -> Result<()> {
        let mut to = first_mut(&mut self.rows, rows);
        match order {
            Order::ByRow => to.assign(&first(output, rows)),
            Order::ByFeature => to.assign(&by_feature(output, rows)?.reversed_axes()),
        }
        Ok(())
    }

    /// What the loss is given of them.
    pub(crate) fn value(&mut self, rows: usize) -> Value<'_> {
        Value {
            rows: first(&self.rows, rows),
            gradient: first_mut(&mut self.gradient, rows),
        }
    }

    /// Adds what the loss has written to the gradient of that output.
    pub(crate) fn add_gradient(
        &self,
        gradient: &mut Array2<f32>,
        rows: usize,
        order: Order,
    ) -> Result<()> {
        let own = first(&self.gradient, rows);
        match order {
            Order::ByRow => first_mut(gradient, rows).zip_mut_with(&own, |g, own| *g += own),
            Order::ByFeature => by_feature_mut(gradient, rows)?
                .zip_mut_with(&own.reversed_axes(), |g, own| *g += own),
        }
        Ok(())
    }

    /// Replaces the gradient of that output, which lies feature by feature, by what the loss has
    /// written.
    pub(crate) fn give_gradient(&self, gradient: &mut Array2<f32>, rows: usize) -> Result<()> {
        let own = first(&self.gradient, rows);
        by_feature_mut(gradient, rows)?.assign(&own.reversed_axes());
        Ok(())
    }
}

/// How the values of a batch lie in a buffer `[capacity, features]`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// `[rows, features]`.
    ByRow,
    /// `[features, rows]`.
    ByFeature,
}

/// The layers whose outputs are the values `names`, in that order.
///
/// # Errors
/// Where there is no such layer, or one is named twice.
pub(crate) fn layers_read(network: &Mlp, names: &[&str]) -> Result<Vec<usize>> {
    let mut layers = Vec::new();
    for name in names {
        let layer = network.chain().position(name)?;
        if layers.contains(&layer) {
            let what = "a value that the loss reads";
            return Err(Error::invalid(what, name, "named once"));
        }
        layers.push(layer);
    }
    Ok(layers)
}
