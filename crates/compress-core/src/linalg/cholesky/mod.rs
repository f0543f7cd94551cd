//! The Cholesky factorization `A = L·Lᵀ` in f64, blocked, with a fixed order of operations.
//!
//! Each element is one chain of fused multiply-adds over k, ascending, that starts from the
//! element of A:
//!
//! ```text
//! L[i,j] = (A[i,j] − Σ L[i,k]·L[j,k]) · (1 / L[j,j])    k = 0 … j−1, j < i
//! L[j,j] = √(A[j,j] − Σ L[j,k]²)
//! ```
//!
//! Substitution goes the same way: forward over k ascending, and backward over k descending, from
//! the last row up. Blocks store the partial chain and continue from it; vectors and threads run
//! over different elements. So every level and thread count gives the same bits. (Multiplying by
//! the reciprocal of a pivot is what LAPACK's `dpotf2` does.)
//!
//! # How it is cut
//!
//! ```text
//! for each block of columns                       BLOCK of them
//!     pack the rows of the block, transposed      panels of 16 rows of L
//!     the square on the diagonal: subtract what is left of it, factor it
//!     for each strip of the rows below            threads share these
//!         subtract what is left of the block      tiles in registers, DEPTH of k at a time
//!         substitute with the square
//! ```
//!
//! It looks left: a block is read and written once, and the columns before it are read. Forward
//! substitution for many right-hand sides, each a row, is the last two lines for all blocks; so
//! one piece of code ([`Block`](block::Block)) does both. Backward substitution is forward
//! substitution with rows and columns in reverse order.
//!
//! # References
//! - Golub, Van Loan 2013, *Matrix Computations*, 4th edition, section 4.2 (factorization, 4.2.5
//!   by blocks), section 3.1 (substitution).
//! - Frantar, Ashkboos, Hoefler, Alistarh 2023, *GPTQ* (2210.17323), section 3.3, step 3: damping
//!   by a share of the mean diagonal, and the Cholesky factor of the inverse.

mod block;
mod damped;
mod factor;
mod lower;
mod pivot;
mod rows;
mod solve;
#[cfg(test)]
mod tests;

pub use self::damped::Damping;
pub use self::lower::Cholesky;
pub use self::solve::{inverse_upper, inverse_upper_at};
