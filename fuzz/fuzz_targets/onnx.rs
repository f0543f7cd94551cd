//! Any bytes are a graph or refused; a graph is written back the same, and read again with weights in
//! other forms.
#![no_main]

use compress_core::parameters::Parameters;
use compress_io::onnx::{Change, Form, Onnx, Receiver, Rewrite};
use compress_io::{Checkpoint, ONNX_WEIGHTS};
use libfuzzer_sys::fuzz_target;

const FORMS: [Form; 3] = [Form::F16, Form::Int8, Form::Int4 { block: 16 }];
const RECEIVERS: [Receiver; 3] = [Receiver::OnnxRuntime, Receiver::Rten, Receiver::Tract];

fuzz_target!(|bytes: &[u8]| {
    let path = compress_fuzz::file("m.onnx", bytes);
    compress_fuzz::read(&path);
    if let Ok(weights) = Checkpoint::open_as(&ONNX_WEIGHTS, &path) {
        let _ = weights.visit(&mut |tensor| tensor.check());
    }
    let Ok(model) = Onnx::open(&path) else { return };
    let to = compress_fuzz::file("copy.onnx", &[]);
    let same = Rewrite::new(&model, &[], Receiver::OnnxRuntime);
    if same.is_ok_and(|same| same.write(&model, &to).is_ok()) {
        let copy = std::fs::read(&to).expect("what was written");
        assert!(copy == bytes, "the same bytes");
    }
    let Ok(uses) = model.uses() else { return };
    let weight = uses.iter().position(|uses| uses.axes().is_some());
    let Some(weight) = weight else { return };
    for form in FORMS {
        for receiver in RECEIVERS {
            let Ok(rewrite) = Rewrite::new(&model, &[Change::new(weight, form)], receiver) else {
                continue;
            };
            if rewrite.write(&model, &to).is_ok() {
                Checkpoint::open_as(&ONNX_WEIGHTS, &to).expect("what was written");
            }
        }
    }
});
