//! All of them in one program, which builds and links faster than one for each.

mod arrays;
mod blocks;
mod common;
mod extremes;
mod fake_quantize;
mod folding;
mod learned_step;
mod observers;
mod ptq;
mod refine;
mod refine_refusals;
mod root;
mod schemes;
mod whole_runs;
