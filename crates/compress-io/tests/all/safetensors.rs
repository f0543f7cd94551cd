//! safetensors against the format's own crate, both ways.

use std::collections::HashMap;

use compress_io::{Checkpoint, Dtype, Format, Plan, Source, TensorInfo};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::made;

#[test]
fn the_formats_own_crate_reads_what_we_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let format = Format::by_ending(&path).unwrap();
    let plan = made::plan(format, "m");
    made::write(format, &path, &plan).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert!((header + 8).is_multiple_of(8));
    let texts = metadata.metadata().clone().unwrap();
    assert_eq!(texts["made by"], "a test");
    let read = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.len(), plan.tensors.len());
    for info in &plan.tensors {
        let theirs = read.tensor(&info.name).unwrap();
        assert_eq!(theirs.shape(), info.shape);
        assert_eq!(theirs.data(), made::bytes_of(info));
        let aligned = theirs.data().as_ptr().addr() - bytes.as_ptr().addr();
        let width = info.dtype.bits_per_weight() as usize / 8;
        assert!(aligned.is_multiple_of(width.max(1)), "{}", info.name);
    }
}

#[test]
fn we_read_what_the_formats_own_crate_writes() {
    use safetensors::Dtype as Theirs;
    let types = [
        (Theirs::BOOL, Dtype::Bool),
        (Theirs::F4, Dtype::F4E2M1),
        (Theirs::F6_E2M3, Dtype::F6E2M3),
        (Theirs::F6_E3M2, Dtype::F6E3M2),
        (Theirs::U8, Dtype::U8),
        (Theirs::I8, Dtype::I8),
        (Theirs::F8_E5M2, Dtype::F8E5M2),
        (Theirs::F8_E4M3, Dtype::F8E4M3),
        (Theirs::F8_E8M0, Dtype::F8E8M0),
        (Theirs::F8_E4M3FNUZ, Dtype::F8E4M3Fnuz),
        (Theirs::F8_E5M2FNUZ, Dtype::F8E5M2Fnuz),
        (Theirs::I16, Dtype::I16),
        (Theirs::U16, Dtype::U16),
        (Theirs::F16, Dtype::F16),
        (Theirs::BF16, Dtype::BF16),
        (Theirs::I32, Dtype::I32),
        (Theirs::U32, Dtype::U32),
        (Theirs::F32, Dtype::F32),
        (Theirs::C64, Dtype::C64),
        (Theirs::F64, Dtype::F64),
        (Theirs::I64, Dtype::I64),
        (Theirs::U64, Dtype::U64),
    ];
    let data: Vec<u8> = (0..64).collect();
    let views = types.iter().map(|(theirs, ours)| {
        let bytes = ours.bytes(8).unwrap() as usize;
        let view = TensorView::new(*theirs, vec![2, 4], &data[..bytes]).unwrap();
        (ours.name(), view)
    });
    let extra = HashMap::from([("k".to_owned(), "v".to_owned())]);
    let written = safetensors::serialize(views, Some(extra)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    std::fs::write(&path, written).unwrap();
    let read = Checkpoint::open(&path).unwrap();
    assert_eq!(read.tensors().len(), types.len());
    for (_, ours) in types {
        let index = read.position(ours.name()).unwrap();
        assert_eq!(
            read.tensors()[index],
            TensorInfo::new(ours.name(), ours, [2, 4])
        );
        let bytes = ours.bytes(8).unwrap() as usize;
        assert_eq!(*read.bytes(index).unwrap(), data[..bytes]);
    }
}

#[test]
fn shards_are_cut_where_they_are_full() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("model.safetensors.index.json");
    let tensors: Vec<TensorInfo> = (0..5)
        .map(|i| TensorInfo::new(format!("w{i}"), Dtype::F32, [10]))
        .collect();
    let plan = Plan {
        tensors,
        metadata: vec![],
    };
    let mut file = compress_io::safetensors::create_shards(&index, &plan, 100).unwrap();
    for info in &plan.tensors {
        file.write(&made::bytes_of(info)).unwrap();
    }
    file.finish().unwrap();
    for number in 1..=3 {
        let name = format!("model-0000{number}-of-00003.safetensors");
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        let count = SafeTensors::deserialize(&bytes).unwrap().len();
        assert_eq!(count, if number < 3 { 2 } else { 1 });
    }
    let read = Checkpoint::open(&index).unwrap();
    assert_eq!(read.tensors(), plan.tensors);
    assert_eq!(*read.bytes(3).unwrap(), made::bytes_of(&plan.tensors[3]));
}
