//! All of them in one program, which builds and links faster than one for each.

mod distillation;
mod ensemble;
mod feature_training;
mod features;
mod logit_losses;
mod losses;
mod mutual;
mod temperature;
mod transfer;
mod weighted_sum;
