//! Similarity-preserving distillation (SP): which samples of a batch resemble each other.

use compress_core::Result;
use ndarray::{Array2, ArrayView2};

use super::FeatureLoss;
use super::arrays::{add_scaled, dot, narrow, rows, wide};

/// The distance between the similarities of student and teacher:
///
/// ```text
/// 1/b² · Σ ‖Ĝ_T − Ĝ_S‖²    G = A·Aᵀ, Ĝ: each row of G over its norm, A: features [b, features]
/// ```
///
/// The widths of student and teacher may differ. A rotation or a scale of all features changes
/// nothing. It also works on logits. Its values are small: the authors weight it by thousands.
///
/// A sample whose features are all zero resembles none: its row of Ĝ is zero, and the row gives no
/// gradient. A batch of one has the loss 0 and no gradient, unless exactly one of the two gives
/// zeros (the loss is then 1).
///
/// # References
/// Tung, Mori 2019, *Similarity-Preserving Knowledge Distillation* (1907.09682), equations 1 to 4;
/// equation 4 for one pair of layers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Similarity;

impl FeatureLoss for Similarity {
    fn evaluate(
        &self,
        student: ArrayView2<'_, f32>,
        teacher: ArrayView2<'_, f32>,
    ) -> Result<(f32, Array2<f32>)> {
        let [student, teacher] = wide(student, teacher)?;
        let count = (student.nrows() * student.nrows()) as f64;
        let ((similar, norms), (wanted, _)) = (similarities(&student), similarities(&teacher));
        let difference = &similar - &wanted;
        let value: f64 = difference.iter().map(|d| d * d).sum();
        let mut by_product = difference.mapv(|d| 2.0 * d / count);
        for ((mut g, row), &norm) in by_product
            .rows_mut()
            .into_iter()
            .zip(rows(&similar))
            .zip(&norms)
        {
            let along = dot(g.as_slice().unwrap_or_default(), row);
            let through = |g: f64, s: f64| {
                if norm > 0.0 {
                    (g - s * along) / norm
                } else {
                    0.0
                }
            };
            g.iter_mut()
                .zip(row)
                .for_each(|(g, &s)| *g = through(*g, s));
        }
        // The product of samples i and j stands in the rows of both.
        let by_product = &by_product + &by_product.t();
        narrow(value / count, &product(&by_product, &student))
    }
}

/// The products of all rows of `x`, each row over its norm; and the norms.
fn similarities(x: &Array2<f64>) -> (Array2<f64>, Vec<f64>) {
    let mut products = Array2::zeros((x.nrows(), x.nrows()));
    for (i, a) in rows(x).enumerate() {
        for (j, b) in rows(x).enumerate().take(i + 1) {
            let product = dot(a, b);
            products[(i, j)] = product;
            products[(j, i)] = product;
        }
    }
    let mut norms = Vec::with_capacity(x.nrows());
    for mut row in products.rows_mut() {
        let norm = row.iter().map(|p| p * p).sum::<f64>().sqrt();
        if norm > 0.0 {
            row /= norm;
        }
        norms.push(norm);
    }
    (products, norms)
}

/// The product of `a` `[m, k]` and `b` `[k, n]`, which has a column.
fn product(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    let all = out.as_slice_mut().unwrap_or_default();
    for (out, factors) in all.chunks_exact_mut(b.ncols()).zip(a.rows()) {
        for (&factor, row) in factors.iter().zip(rows(b)) {
            add_scaled(factor, row, out);
        }
    }
    out
}
