//! The parts of a layer: its product, its activation, dropout, and the initialization of its
//! weights.

pub(crate) mod activation;
pub(crate) mod dense;
pub(crate) mod dropout;
pub(crate) mod init;
pub(crate) mod live;

/// Values that one task works on: a slice this long stays in the first-level cache, and takes
/// long enough to be worth handing to a thread. The data's length alone decides the cut.
pub(crate) const CHUNK: usize = 8192;
