//! Products on other threads, and on the calling one alone.

use ndarray::Array2;

use super::{Numbers, assert_same, product, weights};
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::kernels::gemm_i4::{Activations, Scratch, gemm_on};

#[test]
fn any_number_of_threads_gives_the_same() {
    let mut numbers = Numbers(7);
    for (kind, m, n, k) in [
        ("q4_0", 1, 1100, 2048),
        ("q4_k", 70, 200, 1024),
        ("affine", 40, 300, 1030),
        // A panel that is left alone and is more than a part.
        ("q8_0", 70, 33, 1024),
    ] {
        let weights = weights(kind, n, k, 32, &mut numbers);
        let x = numbers.matrix(m, k);
        for activations in [Activations::F32, Activations::I8] {
            let expected = product(Isa::Scalar, x.view(), &weights, None, activations);
            for threads in [1, 2, 3] {
                for isa in Isa::available().skip(1) {
                    let run = || product(isa, x.view(), &weights, None, activations);
                    let found = pool_of(threads).install(run);
                    let what = || format!("{kind} {isa:?} {activations:?}, {threads} threads");
                    assert_same(&found, &expected, &what);
                }
            }
        }
    }
}

#[test]
fn the_calling_thread_alone_gives_the_same() {
    let mut numbers = Numbers(11);
    for (kind, m, n, k) in [("q4_0", 1, 1100, 2048), ("q6_k", 70, 200, 1024)] {
        let weights = weights(kind, n, k, 32, &mut numbers);
        let x = numbers.matrix(m, k);
        let bias = numbers.matrix(1, n).into_raw_vec_and_offset().0;
        for activations in [Activations::F32, Activations::I8] {
            let expected = product(Isa::Scalar, x.view(), &weights, Some(&bias), activations);
            for isa in Isa::available() {
                let mut y = Array2::from_elem((m, n), 7.0);
                let run = || {
                    assert!(Threads::Pool.share(m * n * k) && !Threads::Here.share(m * n * k));
                    gemm_on(
                        isa,
                        Threads::Here,
                        x.view(),
                        &weights,
                        Some(&bias),
                        activations,
                        &mut Scratch::new(),
                        y.view_mut(),
                    )
                };
                pool_of(2).install(run).unwrap();
                assert_same(&y, &expected, &|| format!("{kind} {isa:?} {activations:?}"));
            }
        }
    }
}

fn pool_of(threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap()
}
