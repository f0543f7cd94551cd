//! What is written is read again, whatever the format, the memory and the threads.

use std::path::Path;

use compress_core::{Error, Result};
use compress_io::stream::{Encode, How, Options, Piece, RowOrder, Step};
use compress_io::{Checkpoint, Dtype, FORMATS, Format, Source, TensorInfo, stream, values};

use crate::made;

#[test]
fn each_format_gives_back_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    for (format, path) in made::files(dir.path()) {
        let read = Checkpoint::open(&path).unwrap();
        let plan = made::plan(format, "model");
        assert_eq!(read.format().name, format.name);
        assert_eq!(read.tensors(), plan.tensors, "{}", format.name);
        assert_eq!(*read.metadata(), plan.metadata, "{}", format.name);
        if format.name != "safetensors-sharded" {
            let length = std::fs::metadata(&path).unwrap().len();
            assert_eq!(format.size(&plan).unwrap(), length, "{}", format.name);
        }
        for (index, info) in plan.tensors.iter().enumerate() {
            assert_eq!(
                *read.bytes(index).unwrap(),
                made::bytes_of(info),
                "{}",
                info.name
            );
        }
    }
}

/// Negates.
struct Negate(TensorInfo);

impl Encode for Negate {
    fn encode(&self, piece: &Piece, values: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        assert_eq!(piece.values.len(), values.len());
        values.iter_mut().for_each(|v| *v = -*v);
        values::narrow_into(self.0.dtype, &self.0.name, values, bytes)
    }
}

fn streamed(source: &dyn Source, to: &Path, memory: usize, threads: usize) -> Vec<u8> {
    let format = Format::by_ending(to).unwrap();
    let mut plan = compress_io::Plan {
        tensors: source.tensors().to_vec(),
        metadata: source.metadata().clone(),
    };
    for info in &mut plan.tensors {
        if info.dtype.is_float() {
            info.dtype = Dtype::F32;
        }
    }
    let steps = plan.tensors.iter().enumerate().map(|(from, to)| Step {
        from,
        to: to.clone(),
        order: to.name.starts_with("turned").then(|| -> RowOrder<'_> {
            let last = to.shape[0] - 1;
            Box::new(move |row| last - row)
        }),
        how: match to.dtype {
            Dtype::F32 => How::Encode(Box::new(Negate(to.clone()))),
            _ => How::Copy,
        },
    });
    let steps: Vec<Step<'_>> = steps.collect();
    let mut sink = format.create(to, &plan).unwrap();
    let options = Options {
        memory,
        ..Options::default()
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let sums = pool
        .install(|| stream(source, &steps, &mut *sink, &options))
        .unwrap();
    sink.finish().unwrap();
    let written = Checkpoint::open(to).unwrap();
    for (index, sum) in sums.into_iter().enumerate() {
        assert_eq!(compress_io::checksum(&written.bytes(index).unwrap()), sum);
    }
    std::fs::read(to).unwrap()
}

#[test]
fn pieces_and_threads_do_not_change_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.safetensors");
    let format = Format::by_name("safetensors").unwrap();
    let plan = compress_io::Plan {
        tensors: vec![
            TensorInfo::new("long.weight", Dtype::F16, [3, 5000]),
            TensorInfo::new("turned", Dtype::F32, [700, 3]),
            TensorInfo::new("turned.bias", Dtype::I16, [900]),
            TensorInfo::new("wide.weight", Dtype::BF16, [900, 4]),
            TensorInfo::new("vector", Dtype::F32, [4097]),
            TensorInfo::new("nibbles", Dtype::F4E2M1, [3, 6]),
        ],
        metadata: vec![],
    };
    made::write(format, &path, &plan).unwrap();
    let source = Checkpoint::open(&path).unwrap();
    let whole = streamed(&source, &dir.path().join("a.safetensors"), 1 << 30, 1);
    for (memory, threads) in [(0, 1), (0, 3), (100_000, 2)] {
        let parts = streamed(&source, &dir.path().join("b.safetensors"), memory, threads);
        assert!(parts == whole, "memory {memory}, {threads} threads");
    }
    let written = Checkpoint::open(dir.path().join("a.safetensors")).unwrap();
    let position = |name| source.position(name).unwrap();
    let negated = written
        .values(written.position("long.weight").unwrap())
        .unwrap();
    let before = source.values(position("long.weight")).unwrap();
    assert!(negated.iter().zip(&before).all(|(a, b)| *a == -b));
    let turned = written.values(written.position("turned").unwrap()).unwrap();
    let before = source.values(position("turned")).unwrap();
    for (turned, before) in turned.chunks(3).zip(before.chunks(3).rev()) {
        assert!(turned.iter().zip(before).all(|(a, b)| *a == -b));
    }
    let bias = position("turned.bias");
    let (turned, before) = (written.bytes(bias).unwrap(), source.bytes(bias).unwrap());
    assert!(turned.chunks(2).eq(before.chunks(2).rev()));
}

/// Fails at a value's position.
struct Fails;

impl Encode for Fails {
    fn encode(&self, piece: &Piece, _: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        if piece.values.contains(&2000) {
            return Err(Error::invalid("a value", 2000, "another"));
        }
        bytes.resize(4 * piece.values.len(), 0);
        Ok(())
    }
}

#[test]
fn an_encoder_that_fails_ends_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.safetensors");
    let format = &FORMATS[2];
    let tensors = vec![TensorInfo::new("w", Dtype::F32, [100, 50])];
    let plan = compress_io::Plan {
        tensors,
        metadata: vec![],
    };
    made::write(format, &path, &plan).unwrap();
    let source = Checkpoint::open(&path).unwrap();
    let to = plan.tensors[0].clone();
    let how = How::Encode(Box::new(Fails));
    let mut sink = format
        .create(&dir.path().join("out.safetensors"), &plan)
        .unwrap();
    let options = Options {
        memory: 0,
        ..Options::default()
    };
    let steps = [Step {
        from: 0,
        to,
        order: None,
        how,
    }];
    let error = stream(&source, &steps, &mut *sink, &options).unwrap_err();
    assert!(error.to_string().contains("a value is 2000"), "{error}");
    let error = sink.finish().unwrap_err().to_string();
    assert!(error.contains("missing of w"), "{error}");
}

#[test]
fn a_sink_takes_no_more_than_its_plan() {
    let dir = tempfile::tempdir().unwrap();
    for format in made::formats() {
        let plan = made::plan(format, "more");
        let path = dir.path().join(format!("more{}", format.endings[0]));
        let mut file = format.create(&path, &plan).unwrap();
        for info in &plan.tensors {
            file.write(&made::bytes_of(info)).unwrap();
        }
        assert!(file.write(&[0]).is_err(), "{}", format.name);
    }
}
