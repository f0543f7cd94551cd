//! Trains a teacher, distils it into a small student, prunes that while it learns, quantizes it, and
//! writes the file. `cargo run --release` in this folder; about half a minute on two cores.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use compress_candle_example::data::Images;
use compress_candle_example::network::{ConvNet, OnImages};
use compress_candle_example::training::{Settings, train};
use compress_core::mask::Mask;
use compress_core::parameters;
use compress_core::tensor::Role;
use compress_distill::{HardLabels, Joint, LOSSES, LossSettings, Teacher, WeightedSum};
use compress_format::container::{Container, Writer};
use compress_prune::{
    Criterion, Cubic, Global, GradualOptions, GradualPruning, Known, Magnitude, MaskHook, PerRow,
    Random, Structure, Wanda, score,
};
use compress_quant::Granularity;
use compress_quant::ptq::load_into;
use compress_quant::qat::{FakeQuantize, Target};
use compress_quant::schemes::{LinearSymmetric, Range};

fn main() -> Result<(), Box<dyn Error>> {
    let mnist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/data/mnist");
    // Images of the training set alone: nothing here is a result.
    let training = Images::read(&mnist, 0..6_000)?;
    let validation = Images::read(&mnist, 6_000..8_000)?;
    let settings = Settings {
        epochs: 4,
        batch: 64,
        rate: 0.02,
        seed: 1,
    };
    let report = |what: &str, network: &ConvNet| -> Result<(), Box<dyn Error>> {
        let mask = Mask::of_nonzeros(network)?;
        let (errors, of) = (network.errors(&validation)?, validation.count());
        let percent = 100.0 * errors as f64 / of as f64;
        println!("{what:<44} {:>6} weights  {percent:5.2} %", mask.kept());
        Ok(())
    };

    let mut teacher = ConvNet::new([16, 32], 1)?;
    train(&mut teacher, &training, &HardLabels, &mut [], settings)?;
    report("teacher", &teacher)?;

    // What the teacher says, once for all images: plain arrays.
    let logits = teacher.logits_array(&training.pixels)?;
    let distill = || Joint::new(Teacher::Cached(logits.clone()), 2.0, 0.7);
    let mut student = ConvNet::new([8, 16], 2)?;
    train(&mut student, &training, &distill()?, &mut [], settings)?;
    report("student, distilled", &student)?;

    // By each other loss of the registry, and the labels: functions of plain arrays.
    for entry in LOSSES {
        let own = (entry.make)(LossSettings::new(Teacher::Cached(logits.clone())))?;
        // Distances of logits are larger than those of probabilities.
        let weight = if entry.name == "logit_mse" { 0.02 } else { 0.5 };
        let loss = WeightedSum::new(vec![(1.0, Box::new(HardLabels)), (weight, own)])?;
        let mut other = ConvNet::new([8, 16], 2)?;
        let short = Settings {
            epochs: 2,
            ..settings
        };
        train(&mut other, &training, &loss, &mut [], short)?;
        report(&format!("labels and {}, 2 epochs", entry.name), &other)?;
    }

    // Without training: by magnitude times input norm, and at random.
    let on_images = OnImages {
        network: &student,
        images: &training,
    };
    let known = Known::by_observing(&on_images, Wanda.needs())?;
    for (name, scores) in [
        ("Wanda, 50 % at once", score(&student, &Wanda, &known)?),
        (
            "magnitude, 50 % at once",
            score(&student, &Magnitude, &known)?,
        ),
        (
            "random, 50 % at once",
            score(&student, &Random { seed: 1 }, &known)?,
        ),
    ] {
        let mut pruned = ConvNet::new([8, 16], 2)?;
        copy(&student, &mut pruned)?;
        PerRow.mask(&scores, 0.5)?.apply(&mut pruned)?;
        report(name, &pruned)?;
    }

    // Pruned gradually while the teacher goes on to teach.
    let options = GradualOptions {
        target: 0.1,
        interval: 20,
        ..GradualOptions::default()
    };
    let (criterion, structure) = (Box::new(Magnitude), Box::new(Global::default()));
    let mut pruning = GradualPruning::new(criterion, structure, Box::new(Cubic), options)?;
    train(
        &mut student,
        &training,
        &distill()?,
        &mut [&mut pruning],
        settings,
    )?;
    report("pruned to 10 % while distilled", &student)?;

    // On four bits, with the mask held.
    let four = LinearSymmetric::new(4, Granularity::Channel, Range::LeastSquares)?;
    let mut quantize = FakeQuantize::fit(&student, &[(Target::Role(Role::Weight), &four)])?;
    let mut mask = MaskHook::new(pruning.mask().clone());
    let slower = Settings {
        epochs: 2,
        rate: 0.005,
        ..settings
    };
    train(
        &mut student,
        &training,
        &distill()?,
        &mut [&mut mask, &mut quantize],
        slower,
    )?;
    report("quantized to 4 bits while distilled", &student)?;

    // The network in hand is the one that is stored.
    let path = std::env::temp_dir().join("candle-student.cmp");
    let mut writer = Writer::new(File::create(&path)?)?;
    for tensor in quantize.to_tensors(&student)? {
        writer.tensor(&tensor)?;
    }
    writer.finish()?;
    let bytes = std::fs::metadata(&path)?.len();
    println!("{} has {bytes} bytes", path.display());

    let mut file = Container::open_file(&path)?;
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let tensors = names.iter().map(|name| file.tensor(name));
    let tensors = tensors.collect::<compress_core::Result<Vec<_>>>()?;
    let mut read = ConvNet::new([8, 16], 3)?;
    load_into(&tensors, &mut read)?;
    assert_eq!(read.errors(&validation)?, student.errors(&validation)?);
    Ok(())
}

/// Copies the tensors of one network into another of the same shapes.
fn copy(from: &ConvNet, to: &mut ConvNet) -> compress_core::Result<()> {
    for name in parameters::names(from)? {
        let values = parameters::values(from, &name)?;
        parameters::with_mut(to, &name, |tensor| {
            tensor.values.copy_from_slice(&values);
            Ok(())
        })?;
    }
    Ok(())
}
