//! The weights as a row of inputs meets them.

use crate::{Error, Result};

/// Outputs that are worked on at once.
pub(super) const LANES: usize = 16;
/// Vectors of outputs that go side by side in a dense form.
pub(super) const VECTORS: usize = 4;
/// This many codes of a dense form (whole vectors of them) take as long as one scattered code.
const SCATTERED: usize = 9;

/// How the weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Only the weights that are not zero.
    Scattered,
    /// All weights.
    Dense,
}

impl Form {
    /// The faster one for one row, where `kept` of W `[n, k]` are not zero.
    pub fn of(n: usize, k: usize, kept: usize) -> Self {
        let dense = n.div_ceil(LANES).saturating_mul(LANES).saturating_mul(k);
        match kept.saturating_mul(SCATTERED) < dense {
            true => Form::Scattered,
            false => Form::Dense,
        }
    }

    /// How many codes this form stores.
    pub fn stored(self, n: usize, k: usize, kept: usize) -> usize {
        match self {
            Form::Scattered => kept,
            Form::Dense => n.saturating_mul(k),
        }
    }
}

/// A layer's weights and biases, laid out for one row of inputs.
#[derive(Clone, Debug)]
pub struct CodeRows {
    pub(super) form: Form,
    /// How many elements a row of inputs has.
    pub(super) width: usize,
    /// Whole vectors, with zeros at the end.
    pub(super) bias: Vec<f32>,
    pub(super) codes: Vec<i8>,
    /// Where the inputs are: of each code, or of each column of a dense form.
    pub(super) inputs: Vec<u16>,
    /// For a scattered form: how many slots each vector has, and how many codes each slot.
    pub(super) slots: Vec<usize>,
    pub(super) counts: Vec<u8>,
    places: Vec<u16>,
}

impl CodeRows {
    /// Lays out W `[n, k]`, row-major, whose column i meets the element `inputs[i]` of a row of
    /// `width`.
    ///
    /// # Errors
    /// Where the numbers of values differ, an input is not below `width`, or `width` or the number
    /// of outputs is above 65,536.
    pub fn new(
        form: Form,
        codes: &[i8],
        bias: &[f32],
        inputs: &[u16],
        width: usize,
    ) -> Result<Self> {
        let (n, k) = (bias.len(), inputs.len());
        Error::check_shape("codes of a layer", &[n.saturating_mul(k)], &[codes.len()])?;
        let size = width.max(n);
        if size > 1 << 16 {
            return Err(Error::invalid("inputs or outputs", size, "at most 65,536"));
        }
        if let Some(&input) = inputs.iter().find(|&&input| usize::from(input) >= width) {
            let expected = format!("below {width}");
            return Err(Error::invalid("the place of an input", input, expected));
        }
        let mut rows = CodeRows {
            form,
            width,
            bias: Vec::new(),
            codes: Vec::new(),
            inputs: inputs.to_vec(),
            slots: Vec::new(),
            counts: Vec::new(),
            places: vec![0; n],
        };
        let order = match form {
            Form::Scattered => rows.scatter(codes, inputs, n),
            Form::Dense => rows.fill(codes, k, n),
        };
        for (place, &row) in order.iter().enumerate() {
            rows.places[row] = place as u16;
            rows.bias.push(bias[row]);
        }
        rows.bias.resize(n.next_multiple_of(LANES), 0.0);
        Ok(rows)
    }

    /// Slot by slot; returns the outputs in their order.
    fn scatter(&mut self, codes: &[i8], inputs: &[u16], n: usize) -> Vec<usize> {
        self.inputs.clear();
        let k = inputs.len();
        let kept = |row: usize| {
            let entries = codes[row * k..(row + 1) * k].iter().zip(inputs);
            let entries = entries.filter(|(code, _)| **code != 0);
            entries.map(|(&c, &i)| (c, i)).collect::<Vec<_>>()
        };
        let mut rows: Vec<(usize, Vec<(i8, u16)>)> = (0..n).map(|row| (row, kept(row))).collect();
        rows.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.len()));
        for vector in rows.chunks(LANES) {
            let longest = vector[0].1.len();
            self.slots.push(longest);
            for slot in 0..longest {
                let entries = vector.iter().map_while(|(_, kept)| kept.get(slot));
                let before = self.codes.len();
                for &(code, input) in entries {
                    self.codes.push(code);
                    self.inputs.push(input);
                }
                self.counts.push((self.codes.len() - before) as u8);
            }
        }
        rows.into_iter().map(|(row, _)| row).collect()
    }

    /// For each group of vectors, input by input; the outputs keep their order.
    fn fill(&mut self, codes: &[i8], k: usize, n: usize) -> Vec<usize> {
        let lanes = n.next_multiple_of(LANES);
        for first in (0..lanes).step_by(VECTORS * LANES) {
            let group = first..lanes.min(first + VECTORS * LANES);
            for column in 0..k {
                let code = |row: usize| if row < n { codes[row * k + column] } else { 0 };
                self.codes.extend(group.clone().map(code));
            }
        }
        (0..n).collect()
    }

    /// The length of the output: the outputs, rounded up to whole vectors.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Where each output is in the result.
    pub fn places(&self) -> &[u16] {
        &self.places
    }
}
