//! What all kernels have in common: products over nothing, and operands that no memory holds.

mod huge;
mod nothing;
