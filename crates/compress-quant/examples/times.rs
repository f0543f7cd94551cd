//! Prints how long fitting, fake quantization and encoding take on 300 × 784 weights:
//! `cargo run --release -p compress-quant --example times`. The least of several runs.

use std::time::Instant;

use compress_core::{Result, rng};
use compress_quant::Granularity;
use compress_quant::schemes::{
    Codebook, LinearAffine, LinearSymmetric, PowerOfTwo, Range, Scheme, ZeroLevel,
};

const SHAPE: [usize; 2] = [300, 784];

fn main() -> Result<()> {
    let tensor = Granularity::Tensor;
    let group = Granularity::Group(32);
    let (absmax, squares) = (Range::AbsMax, Range::LeastSquares);
    let schemes: [(&str, Box<dyn Scheme>); 9] = [
        (
            "linear_symmetric, 4 bits, absmax",
            Box::new(LinearSymmetric::new(4, tensor, absmax)?),
        ),
        (
            "linear_symmetric, 4 bits, least squares",
            Box::new(LinearSymmetric::new(4, tensor, squares)?),
        ),
        (
            "linear_symmetric, 4 bits, groups of 32",
            Box::new(LinearSymmetric::new(4, group, squares)?),
        ),
        (
            "linear_affine, 8 bits, channel, absmax",
            Box::new(LinearAffine::new(8, Granularity::Channel, absmax)?),
        ),
        (
            "linear_affine, 4 bits, least squares",
            Box::new(LinearAffine::new(4, tensor, squares)?),
        ),
        (
            "codebook, 16 levels, free",
            Box::new(Codebook::new(16, ZeroLevel::Free)?),
        ),
        (
            "codebook, 16 levels, zero pinned",
            Box::new(Codebook::new(16, ZeroLevel::Pinned)?),
        ),
        (
            "codebook, 256 levels, free",
            Box::new(Codebook::new(256, ZeroLevel::Free)?),
        ),
        ("power_of_two, 4 bits", Box::new(PowerOfTwo::new(4)?)),
    ];
    let mut weights = normal(SHAPE[0] * SHAPE[1]);
    weights[0] = 0.0;
    println!(
        "{:42} {:>10} {:>10} {:>10}",
        "", "fit ms", "fake µs", "encode µs"
    );
    for (label, scheme) in &schemes {
        let codec = scheme.fit("w", &weights, &SHAPE)?;
        let mut out = weights.clone();
        let fit = least(3, || scheme.fit("w", &weights, &SHAPE).map(drop))?;
        let fake = least(200, || {
            out.copy_from_slice(&weights);
            codec.fake_quantize(&mut out, &SHAPE)
        })?;
        let encode = least(200, || codec.encode("w", &weights, &SHAPE).map(drop))?;
        println!("{label:42} {:10.2} {fake:10.0} {encode:10.0}", fit / 1e3);
    }
    Ok(())
}

/// Nearly normal weights: sums of twelve uniform numbers.
fn normal(count: usize) -> Vec<f32> {
    let mut stream = rng::stream(1, "weights");
    let mut draw = || (0..12).map(|_| rng::uniform(&mut stream)).sum::<f32>() - 6.0;
    (0..count).map(|_| draw()).collect()
}

/// The least of several times, in microseconds.
fn least(times: usize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(best)
}
