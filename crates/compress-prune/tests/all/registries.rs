//! The registries: every name, and names that do not exist.

use std::any::type_name;

use compress_core::network::{Activation, Architecture};
use compress_prune::*;

/// The name of a type in snake case.
fn snake<T>() -> String {
    let name = type_name::<T>().rsplit("::").next().unwrap();
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn settings() -> StructureSettings {
    let chain = Architecture::mlp(&[3, 4, 2], Activation::Relu).unwrap();
    StructureSettings {
        graph: Some(chain.graph()),
        ..StructureSettings::default()
    }
}

#[test]
fn every_entry_is_made_under_the_name_of_its_type() {
    let check = |name: &str, about: &str, made: &str, own: String| {
        assert_eq!((name, name), (made, &own[..]));
        assert!(!about.is_empty(), "{name}");
    };
    let criteria = [
        snake::<Magnitude>(),
        snake::<Random>(),
        snake::<Wanda>(),
        snake::<NeuronNorm>(),
        snake::<NeuronL1>(),
        snake::<NeuronTaylor>(),
        snake::<ActivationRate>(),
        snake::<GeometricMedian>(),
        snake::<SecondMoments>(),
        snake::<RateAware>(),
        snake::<Taylor>(),
        snake::<Snip>(),
        snake::<Grasp>(),
        snake::<SynFlow>(),
        snake::<Movement>(),
        snake::<Obd>(),
        snake::<Lamp>(),
        snake::<Obs>(),
    ];
    assert_eq!(CRITERIA.len(), criteria.len());
    for (entry, own) in CRITERIA.iter().zip(criteria) {
        let made = criterion(entry.name, &CriterionSettings::default()).unwrap();
        check(entry.name, entry.about, made.name(), own);
    }
    assert_eq!(LAYER_CRITERIA.len(), 1);
    let entry = &LAYER_CRITERIA[0];
    let made = layer_criterion(entry.name).unwrap();
    check(entry.name, entry.about, made.name(), snake::<LayerLoss>());
    let structures = [
        snake::<Global>(),
        snake::<PerLayer>(),
        snake::<PerRow>(),
        snake::<Neurons>(),
        snake::<NOfM>(),
        snake::<Uniform>(),
        snake::<Erk>(),
        snake::<Blocks>(),
        snake::<Rows>(),
        snake::<Columns>(),
        snake::<Channels>(),
    ];
    assert_eq!(STRUCTURES.len(), structures.len());
    for (entry, own) in STRUCTURES.iter().zip(structures) {
        let made = structure(entry.name, &settings()).unwrap();
        check(entry.name, entry.about, made.name(), own);
    }
    let schedules = [
        snake::<OneShot>(),
        snake::<Cubic>(),
        snake::<Linear>(),
        snake::<Exponential>(),
        snake::<Iterative>(),
    ];
    assert_eq!(SCHEDULES.len(), schedules.len());
    for (entry, own) in SCHEDULES.iter().zip(schedules) {
        let made = schedule(entry.name, &ScheduleSettings::default()).unwrap();
        check(entry.name, entry.about, made.name(), own);
    }
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let criterion = criterion("x", &CriterionSettings::default()).err().unwrap();
    let layers = layer_criterion("x").err().unwrap();
    let structure = structure("x", &settings()).err().unwrap();
    let schedule = schedule("x", &ScheduleSettings::default()).err().unwrap();
    for (error, what, known) in [
        (
            criterion,
            "criterion",
            "magnitude, random, wanda, neuron_norm, neuron_l1, neuron_taylor, activation_rate, \
             geometric_median, second_moments, rate_aware, taylor, snip, grasp, syn_flow, movement, \
             obd, lamp, obs",
        ),
        (layers, "criterion of layers", "layer_loss"),
        (
            structure,
            "structure",
            "global, per_layer, per_row, neurons, n_of_m, uniform, erk, blocks, rows, columns, channels",
        ),
        (
            schedule,
            "schedule",
            "one_shot, cubic, linear, exponential, iterative",
        ),
    ] {
        let message = error.to_string();
        assert!(matches!(
            error,
            Error::Core(compress_core::Error::UnknownName { .. })
        ));
        assert!(
            message.contains(what) && message.contains("\"x\""),
            "{message}"
        );
        assert!(message.ends_with(known), "{message}");
    }
}

#[test]
fn settings_reach_what_is_made() {
    let weight = TensorRef::weight("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]).unwrap();
    let random = |seed| {
        let settings = CriterionSettings {
            seed,
            ..CriterionSettings::default()
        };
        let made = criterion("random", &settings).unwrap();
        made.score(weight, &Evidence::none()).unwrap()
    };
    assert_eq!(
        random(3),
        Random { seed: 3 }.score(weight, &Evidence::none()).unwrap()
    );
    assert_ne!(random(3), random(4));
    for outgoing in [false, true] {
        let settings = CriterionSettings {
            outgoing,
            ..CriterionSettings::default()
        };
        let made = criterion("neuron_norm", &settings).unwrap();
        assert_eq!(made.needs().readers, outgoing);
    }
    let scores = score_of(&[0.4, 0.3, 0.2, 0.1, 0.0, 9.0]);
    let kept = |name: &str, settings: &StructureSettings| {
        structure(name, settings)
            .unwrap()
            .mask(&scores, 0.5)
            .unwrap()
            .tensors[0]
            .keep
            .clone()
    };
    let pairs = StructureSettings {
        m: 2,
        ..StructureSettings::default()
    };
    assert_eq!(
        kept("n_of_m", &pairs),
        [true, false, true, false, false, true]
    );
    let first = StructureSettings {
        dense: Some(vec!["a".into()]),
        ..StructureSettings::default()
    };
    assert_eq!(kept("uniform", &first), [true; 6]);
    let columns = StructureSettings {
        blocks: Blocks {
            rows: 1,
            columns: 3,
        },
        ..StructureSettings::default()
    };
    let [o, x] = [false, true];
    assert_eq!(kept("blocks", &columns), [o, o, o, x, x, x]);
    let floor = StructureSettings {
        floor: 0.6,
        ..StructureSettings::default()
    };
    let floored = structure("global", &floor).unwrap().mask(&scores, 0.5);
    assert!(floored.unwrap_err().to_string().contains("floors"));
    let thrice = schedule("iterative", &ScheduleSettings { rounds: 3 }).unwrap();
    assert!((thrice.density(1.0, 0.125, 0.5) - 0.5).abs() < 1e-12);
    let error = structure("neurons", &StructureSettings::default())
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("the graph of neurons"),
        "{error}"
    );
}

fn score_of(values: &[f32]) -> Scores {
    Scores {
        tensors: vec![compress_core::mask::TensorScores {
            name: "a".into(),
            shape: vec![1, values.len()],
            values: values.to_vec(),
        }],
    }
}
