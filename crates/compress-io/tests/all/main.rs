//! The tests of this crate as one program.

mod bad_files;
mod edits;
mod gguf;
mod importance;
mod made;
mod npz;
mod safetensors;
mod streams;
