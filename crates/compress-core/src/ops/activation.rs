//! Which function follows a layer's matrix product; [`super::elementwise`] computes it.

use serde::{Deserialize, Serialize};

/// The function after a layer's matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Activation {
    /// None.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// Gaussian error linear unit in its tanh form, 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
    /// (Hendrycks and Gimpel, 1606.08415, section 2).
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
}
