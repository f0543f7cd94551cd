//! All of them in one program, which builds and links faster than one for each.

mod arrays;
mod blocks;
mod extremes;
mod folding;
mod learned_step;
mod observers;
mod refine;
mod schemes;
mod training;
