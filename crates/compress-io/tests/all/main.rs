//! The tests of this crate as one program.

mod architectures;
mod bad_files;
mod edits;
mod folders;
mod gguf;
mod hugging_face;
mod importance;
mod made;
mod npz;
mod onnx;
mod safetensors;
mod streams;
