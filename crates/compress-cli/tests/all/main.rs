//! The tool as users run it: what it writes, prints and returns.

mod commands;
mod edges;
mod folder;
mod guide;
mod onnx;
mod packed;
mod recipes;
mod refusals;
mod run;
