//! An epoch of training against density: the same network and data with fewer and fewer live
//! weights, as a schedule of pruning has them. Adam, as its users take it.

use compress_core::mask::{Mask, TensorMask};
use compress_core::network::{Activation, Role};
use compress_core::rng;
use compress_core::train::Fit;
use compress_nn::{CrossEntropy, Init, Mlp, Settings, Trainer};
use compress_prune::MaskHook;

use super::super::ceilings::Arithmetic;
use super::super::floor::Floor;
use super::super::row::{Bench, Outcome, Row, Unit};
use super::train_epoch::{IMAGES, random_images};
use super::{NETWORKS, dashed};

/// Tenths of a percent of the weights that are live.
const DENSITIES: [u32; 8] = [1000, 500, 200, 100, 50, 20, 10, 5];

pub(super) fn rows() -> Vec<Row> {
    let row = |density: u32| {
        let percent = f64::from(density) / 10.0;
        let name = format!("sparse_epoch/{}/bs256/{percent}", dashed(NETWORKS[0]));
        Row::new(name, Unit::Seconds, move |bench: &Bench| {
            epoch(bench, density)
        })
    };
    DENSITIES.map(row).into()
}

fn epoch(bench: &Bench, density: u32) -> Outcome {
    let images = random_images()?;
    let network = Mlp::new(NETWORKS[0], Activation::Relu, Init::HeUniform, 1, "bench")?;
    let mask = random_mask(&network, density);
    // Of the first layer's weights nobody asks for what their inputs contribute.
    let live = |tensor: &TensorMask| tensor.keep.iter().filter(|keep| **keep).count();
    let all = 3 * mask.kept() - mask.tensors.first().map_or(0, live);
    let operations = 2.0 * (IMAGES * all) as f64;
    let settings = Settings {
        epochs: 1,
        batch_size: 256,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network, settings)?;
    let mut hook = MaskHook::new(mask);
    let floor = Floor::default().computing(Arithmetic::F32, operations);
    bench.time(floor, || {
        trainer.fit(&images, &CrossEntropy, &mut [&mut hook])?;
        Ok::<_, compress_core::Error>(())
    })
}

fn random_mask(network: &Mlp, density: u32) -> Mask {
    let weights = network.parameters().into_iter();
    let weights = weights.filter(|p| p.role() == Role::Weight);
    let tensor = |weight: &compress_core::network::Parameter| {
        let mut stream = rng::stream(1, &format!("bench.mask.{}", weight.name()));
        let marks = weight.values().iter();
        TensorMask {
            name: weight.name().to_owned(),
            shape: weight.shape().to_vec(),
            keep: marks
                .map(|_| rng::below(&mut stream, 1000) < density)
                .collect(),
        }
    };
    Mask {
        tensors: weights.map(tensor).collect(),
    }
}
