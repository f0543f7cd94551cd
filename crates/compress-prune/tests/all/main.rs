//! All of them in one program, which builds and links faster than one for each.

mod branches;
mod compaction;
mod criteria;
mod gradual;
mod liveness;
mod masks;
mod models;
mod registries;
mod search;
mod sensitivity;
mod training;
