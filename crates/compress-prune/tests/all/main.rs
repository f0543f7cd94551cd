//! All of them in one program, which builds and links faster than one for each.

mod branches;
mod compaction;
mod criteria;
mod curves;
mod gradual;
mod layerwise;
mod liveness;
mod masks;
mod models;
mod movement;
mod registries;
mod search;
mod sensitivities;
mod synapses;
mod training;
