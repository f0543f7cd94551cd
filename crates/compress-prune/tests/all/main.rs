//! All of them in one program, which builds and links faster than one for each.

mod branches;
mod compaction;
mod criteria;
mod curves;
mod dynamic;
mod gradual;
mod images;
mod layerwise;
mod liveness;
mod masks;
mod models;
mod movement;
mod neuron_criteria;
mod parts;
mod registries;
mod repair;
mod schedules;
mod search;
mod sensitivities;
mod sparse_gpt;
mod synapses;
mod tickets;
mod training;
