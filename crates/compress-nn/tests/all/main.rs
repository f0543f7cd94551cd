//! All of them in one program, which builds and links faster than one for each.

mod batchwise;
mod data;
mod endings;
mod features;
mod front;
mod gradients;
mod hooks;
mod masks;
mod networks;
mod sparse;
mod steps;
mod support;
mod training;
mod values;
