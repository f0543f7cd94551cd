//! A session that has seen its largest batch allocates nothing more.

use std::alloc::System;
use std::hint::black_box;

use compress_core::chain::{Activation, Architecture, Front};
use compress_core::codec::{Granularity, Grid, QuantizedTensor, Tensor};
use compress_format::Pooling;
use compress_format::artifact::Artifact;
use compress_format::runtime::{Arithmetic, LayerKernel, Runtime};
use ndarray::Array2;
use rayon::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// Counts what all threads ask for: a part of a batch may run on any.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A network whose weights make each layer run on one kernel.
struct Case {
    arithmetic: Arithmetic,
    bits: u8,
    granularity: Granularity,
    /// Of this many weights one is not zero.
    one_of: usize,
    kernel: LayerKernel,
}

const CASES: [Case; 5] = [
    Case {
        arithmetic: Arithmetic::Exact,
        bits: 8,
        granularity: Granularity::Channel,
        one_of: 1,
        kernel: LayerKernel::DenseF32,
    },
    Case {
        arithmetic: Arithmetic::Integer,
        bits: 8,
        granularity: Granularity::Channel,
        one_of: 1,
        kernel: LayerKernel::DenseI8,
    },
    Case {
        arithmetic: Arithmetic::Integer,
        bits: 4,
        granularity: Granularity::Group(32),
        one_of: 1,
        kernel: LayerKernel::PackedI4,
    },
    Case {
        arithmetic: Arithmetic::Exact,
        bits: 8,
        granularity: Granularity::Channel,
        one_of: 50,
        kernel: LayerKernel::SparseF32,
    },
    Case {
        arithmetic: Arithmetic::Exact,
        bits: 8,
        granularity: Granularity::Tensor,
        one_of: 50,
        kernel: LayerKernel::SparseI8,
    },
];

impl Case {
    /// Codes are the weights where it is 1.
    fn scale(&self) -> f32 {
        match self.kernel {
            LayerKernel::SparseI8 => 1.0,
            _ => 0.01,
        }
    }

    /// Of images, or of what a front gives of them.
    fn model(&self, front: Option<Pooling>) -> Runtime {
        let widths = [front.map_or(784, |front| front.outputs()), 300, 100, 10];
        let tensors = widths.windows(2).enumerate().flat_map(|(i, pair)| {
            let shape = vec![pair[1], pair[0]];
            let top = (1 << (self.bits - 1)) - 1;
            let code = |c: usize| {
                if c.is_multiple_of(self.one_of) {
                    1 + c as i32 % top
                } else {
                    0
                }
            };
            let grid = Grid::Linear {
                bits: self.bits,
                granularity: self.granularity,
                scales: vec![self.scale(); self.granularity.sets(&shape)],
                zero_points: vec![],
            };
            let name = format!("layers.{i}.weight");
            let codes = (0..pair[0] * pair[1]).map(code);
            let weight = QuantizedTensor::new(&name, &shape, grid, codes).expect("it is valid");
            let bias = Tensor::Float {
                name: format!("layers.{i}.bias"),
                shape: vec![pair[1]],
                values: vec![0.5; pair[1]],
            };
            [Tensor::Quantized(weight), bias]
        });
        let chain = Architecture::mlp(&widths, Activation::Relu).expect("it is valid");
        let artifact = Artifact {
            tensors: tensors.collect(),
            architecture: match front {
                None => chain,
                Some(front) => chain.behind(front).expect("it fits"),
            },
        };
        let model = Runtime::with(artifact, self.arithmetic).expect("it loads");
        assert!(model.kernels().all(|kernel| kernel == self.kernel));
        model
    }
}

/// A pool whose threads have begun, have taken work from each other, and so have allocated what
/// they need for that.
fn pool(threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.expect("a pool");
    for _ in 0..20 {
        pool.broadcast(|_| {
            (0..10_000).into_par_iter().for_each(|i| {
                black_box(i);
            })
        });
    }
    pool
}

/// One thread keeps the sparse kernel's buffers; of two, one may see its first block late.
#[test]
fn predictions_allocate_nothing_once_the_buffers_are_there() {
    // All pools at once: threads that end allocate too.
    let pools = [pool(1), pool(2)];
    let (height, width) = (28, 28);
    let pooled = Pooling::TentPool { height, width };
    let pyramid = Pooling::TentPyramid { height, width };
    for (case, pool, front) in CASES.iter().flat_map(|case| {
        let [one, two] = &pools;
        let fronts = [None, Some(pooled), Some(pyramid)];
        let of_one = fronts.map(|front| (case, one, front));
        of_one.into_iter().chain([(case, two, None)])
    }) {
        let threads = pool.current_num_threads();
        let sparse = [LayerKernel::SparseF32, LayerKernel::SparseI8];
        if threads > 1 && sparse.contains(&case.kernel) {
            continue;
        }
        pool.install(|| {
            let model = case.model(front);
            let mut session = model.session();
            // The first round makes the buffers.
            for (round, batch) in [300, 300, 1, 64, 17].into_iter().enumerate() {
                let inputs = Array2::from_elem((batch, 784), 0.25);
                let mut logits = Array2::zeros((batch, 10));
                let mut classes = vec![0; batch];
                let region = Region::new(ALLOCATOR);
                session
                    .predict_into(inputs.view(), logits.view_mut())
                    .and_then(|()| session.predict_classes_into(inputs.view(), &mut classes))
                    .expect("it predicts");
                let made = region.change().allocations;
                let what = format!("{threads} threads, {}, batch {batch}: {made}", case.kernel);
                assert_eq!(made == 0, round > 0, "{what}");
            }
        });
    }
}
