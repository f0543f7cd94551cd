//! All of them in one program, which builds and links faster than one for each.

mod compaction;
mod liveness;
mod masks;
mod training;
