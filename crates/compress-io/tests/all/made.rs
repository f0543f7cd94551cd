//! Small files of each format, and how they are written.

use std::path::Path;

use compress_core::Result;
use compress_io::metadata::{List, Metadata, Value};
use compress_io::{Draft, Dtype, FORMATS, Format, Plan, TensorInfo};

/// Bytes that follow from a tensor's name.
pub(crate) fn bytes_of(info: &TensorInfo) -> Vec<u8> {
    let seed = info
        .name
        .bytes()
        .fold(7_u32, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    let count = info.bytes().unwrap() as u32;
    // Below 0x70, so that no half and no f32 is an infinity or NaN.
    (0..count)
        .map(|i| (seed.wrapping_add(i.wrapping_mul(2_654_435_761)) >> 13) as u8 % 0x70)
        .collect()
}

/// A plan that the format can hold, in a file of this name without its ending.
pub(crate) fn plan(format: &Format, stem: &str) -> Plan {
    let mut plan = Plan {
        tensors: vec![
            TensorInfo::new("layers.0.weight", Dtype::F32, [3, 4]),
            TensorInfo::new("layers.0.bias", Dtype::F16, [3]),
            TensorInfo::new("steps", Dtype::I64, []),
            TensorInfo::new("empty", Dtype::F32, [0, 5]),
            TensorInfo::new("layers.1.weight", Dtype::BF16, [5, 3]),
        ],
        metadata: vec![("made by".into(), "a test".into())],
    };
    if format.name == "npy" {
        plan.tensors = vec![TensorInfo::new(stem, Dtype::F32, [3, 4])];
        plan.metadata.clear();
    } else if format.name == "npz" {
        plan.tensors.pop();
        plan.tensors.push(TensorInfo::new("mask", Dtype::Bool, [7]));
        plan.metadata.clear();
    } else if format.name == "gguf" {
        plan.metadata = metadata();
        let q8_0 = Dtype::by_name("q8_0").unwrap();
        plan.tensors
            .push(TensorInfo::new("blocks.weight", q8_0, [2, 64]));
        let dims = TensorInfo::new("four", Dtype::F32, [2, 1, 3, 2]);
        plan.tensors.push(dims);
    } else {
        plan.metadata.push(("format".into(), "np".into()));
        plan.tensors.push(TensorInfo::new("mask", Dtype::Bool, [7]));
        plan.tensors
            .push(TensorInfo::new("scales", Dtype::F8E4M3, [2, 2]));
    }
    format.arrange(&mut plan);
    plan
}

/// A value of each type.
fn metadata() -> Metadata {
    let texts = ["a", "", "ü"].map(str::to_owned).to_vec();
    let lists = vec![List::U8(vec![1, 2]), List::Bool(vec![true, false])];
    let values = [
        Value::U8(1),
        Value::I8(-1),
        Value::U16(500),
        Value::I16(-500),
        Value::U32(70_000),
        Value::I32(-70_000),
        Value::F32(0.5),
        Value::Bool(true),
        Value::U64(1 << 40),
        Value::I64(-1 << 40),
        Value::F64(1e300),
        Value::List(List::Text(texts)),
        Value::List(List::F32(vec![1.0, -2.0])),
        Value::List(List::List(lists)),
    ];
    let named = values.into_iter().enumerate();
    let mut metadata: Metadata = named.map(|(i, v)| (format!("key.{i}"), v)).collect();
    metadata.insert(0, ("general.architecture".into(), "llama".into()));
    metadata.push(("general.quantization_version".into(), Value::U32(2)));
    metadata
}

/// Writes the plan, with [`bytes_of`] for values.
pub(crate) fn write(format: &Format, path: &Path, plan: &Plan) -> Result<()> {
    let mut file = format.create(path, plan)?;
    for info in &plan.tensors {
        // In parts, none of which is a whole tensor.
        for part in bytes_of(info).chunks(5) {
            file.write(part)?;
        }
    }
    file.finish()
}

/// The formats that tensors alone can be written in.
pub(crate) fn formats() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().filter(|format| format.name != "onnx")
}

/// One file of each of those in a folder, by name.
pub(crate) fn files(dir: &Path) -> Vec<(&'static Format, std::path::PathBuf)> {
    let files = formats().map(|format| {
        let path = dir.join(format!("model{}", format.endings[0]));
        let draft = Draft::new(&path).unwrap();
        write(format, &draft.path(), &plan(format, "model")).unwrap();
        draft.publish().unwrap();
        (format, path)
    });
    files.collect()
}

#[test]
fn places_are_where_the_bytes_lie() {
    use compress_io::{Checkpoint, Source};
    let dir = tempfile::tempdir().unwrap();
    for (format, path) in files(dir.path()) {
        let whole = std::fs::read(&path).unwrap();
        let source = Checkpoint::open(&path).unwrap();
        for (index, info) in source.tensors().iter().enumerate() {
            let place = source.place(index);
            let has_places = matches!(format.name, "safetensors" | "gguf");
            assert_eq!(place.is_some(), has_places, "{} {}", format.name, info.name);
            let Some(place) = place else { continue };
            let bytes = &whole[place.start as usize..place.end as usize];
            assert_eq!(bytes, &*source.bytes(index).unwrap());
        }
    }
}
