//! All of them in one program, which builds and links faster than one for each.

mod distillation;
mod ensemble;
mod feature_training;
mod features;
mod logit_losses;
mod losses;
mod temperature;
mod weighted_sum;
