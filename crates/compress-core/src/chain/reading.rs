//! What comes before a chain's first layer: the front and the selection.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::{Architecture, Front, SharedFront};
use crate::{Error, Result};

impl Architecture {
    /// Puts `front` before the chain. It then reads the features of `front`; until now its features
    /// were the front's output.
    ///
    /// # Errors
    /// Where it has a front already, or other features than `front` gives.
    pub fn behind(&self, front: impl Front) -> Result<Self> {
        let front = SharedFront::new(front)?;
        if let Some(present) = &self.front {
            let found = present.name();
            return Err(Error::invalid("the front", found, "none to put one before"));
        }
        let given = [front.outputs()];
        Error::check_shape("features behind the front", &given, &[self.features])?;
        let architecture = Architecture {
            features: front.inputs(),
            front: Some(front),
            ..self.clone()
        };
        architecture.validate()?;
        Ok(architecture)
    }

    /// Whether the first layer reads all features of a sample, unchanged.
    pub fn reads_features(&self) -> bool {
        self.front.is_none() && self.selected.is_none()
    }

    /// Writes what the first layer reads of `inputs` `[batch, features]` into `out`
    /// `[batch, inputs()]`, which must be contiguous and row-major if there is a front. `scratch`
    /// holds the front's output before a selection, so that it is allocated only once.
    ///
    /// # Errors
    /// Where a shape or layout is another, or the architecture is not valid.
    pub fn read_into(
        &self,
        inputs: ArrayView2<'_, f32>,
        mut out: ArrayViewMut2<'_, f32>,
        scratch: &mut Vec<f32>,
    ) -> Result<()> {
        let batch = inputs.nrows();
        Error::check_shape("inputs", &[batch, self.features], inputs.shape())?;
        let wanted = [batch, self.inputs()];
        Error::check_shape("what the first layer reads", &wanted, out.shape())?;
        match (&self.front, &self.selected) {
            (None, None) => out.assign(&inputs),
            (None, Some(selected)) => choose(inputs, selected, out)?,
            (Some(front), None) => front.apply_rows(inputs, out)?,
            (Some(front), Some(selected)) => {
                let shape = (batch, front.outputs());
                scratch.resize(shape.0 * shape.1, 0.0);
                let mut given = ArrayViewMut2::from_shape(shape, scratch).map_err(Error::other)?;
                front.apply_rows(inputs, given.view_mut())?;
                choose(given.view(), selected, out)?;
            }
        }
        Ok(())
    }

    /// The weight `[outputs, features]` of the first layer of the plain chain that computes the
    /// same without a front or a selection, given the present one `[outputs, inputs()]`. Its
    /// non-zeros are what the chain would be charged for without them.
    ///
    /// # Errors
    /// Where the weight has another number of columns, or the architecture is not valid.
    pub fn plain_first_weight(&self, weight: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.validate()?;
        let wanted = [weight.nrows(), self.inputs()];
        Error::check_shape("the first layer's weight", &wanted, weight.shape())?;
        let mut plain = Array2::<f64>::zeros((weight.nrows(), self.features));
        let mut unit = Array2::zeros((1, self.features));
        let mut read = Array2::zeros((1, self.inputs()));
        let mut scratch = Vec::new();
        for (feature, mut plain) in plain.columns_mut().into_iter().enumerate() {
            // What the first layer reads of a sample in which only this feature is 1.
            unit.fill(0.0);
            unit[(0, feature)] = 1.0;
            self.read_into(unit.view(), read.view_mut(), &mut scratch)?;
            let used = read.iter().zip(weight.columns());
            for (&factor, weights) in used.filter(|(factor, _)| **factor != 0.0) {
                for (plain, &weight) in plain.iter_mut().zip(weights) {
                    *plain += f64::from(factor) * f64::from(weight);
                }
            }
        }
        Ok(plain.mapv(|x| x as f32))
    }
}

/// Copies the selected columns.
fn choose(
    from: ArrayView2<'_, f32>,
    selected: &[u32],
    mut out: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    if let Some(&index) = selected.iter().find(|&&i| i as usize >= from.ncols()) {
        let expected = format!("below {}", from.ncols());
        return Err(Error::invalid("a selected feature", index, expected));
    }
    for (from, mut out) in from.rows().into_iter().zip(out.rows_mut()) {
        for (out, &index) in out.iter_mut().zip(selected) {
            *out = from[index as usize];
        }
    }
    Ok(())
}
