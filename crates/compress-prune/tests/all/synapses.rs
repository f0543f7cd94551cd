//! Synaptic flow, against sums over all paths; pruning in rounds.

use compress_core::differentiate::synaptic_flow;
use compress_prune::*;
use compress_testing::Chain;

/// What a criterion needs to know of a chain.
fn known(model: &mut Chain) -> compress_core::Result<Known> {
    let mut known = Known::nothing();
    let features = model.architecture.features;
    known.set_values(PerValue::SynapticFlow, synaptic_flow(model, features)?);
    Ok(known)
}

/// For each weight the sum over all paths through it of the product of magnitudes.
fn by_paths(model: &Chain) -> Vec<Vec<f64>> {
    let weights: Vec<_> = model.parameters.iter().step_by(2).collect();
    let mut sums: Vec<_> = weights
        .iter()
        .map(|w| vec![0.0; w.values().len()])
        .collect();
    // The weights of each path, and its last neuron.
    let mut paths: Vec<(Vec<usize>, usize)> =
        (0..weights[0].shape()[1]).map(|i| (vec![], i)).collect();
    for weight in &weights {
        let (outputs, inputs) = (weight.shape()[0], weight.shape()[1]);
        let longer = paths.into_iter().flat_map(|(path, neuron)| {
            (0..outputs).map(move |output| {
                let mut path = path.clone();
                path.push(output * inputs + neuron);
                (path, output)
            })
        });
        paths = longer.collect();
    }
    for (path, _) in paths {
        let values = path
            .iter()
            .zip(&weights)
            .map(|(&i, w)| f64::from(w.values()[i].abs()));
        let product: f64 = values.product();
        for (&i, sums) in path.iter().zip(&mut sums) {
            sums[i] += product;
        }
    }
    sums
}

#[test]
fn syn_flow_is_the_sum_over_all_paths_through_a_weight() {
    let mut model = Chain::random(&[4, 5, 3, 2], 1);
    let known = known(&mut model).unwrap();
    let scores = score(&model, &SynFlow, &known).unwrap();
    for (tensor, expected) in scores.tensors.iter().zip(by_paths(&model)) {
        for (&score, expected) in tensor.values.iter().zip(expected) {
            let difference = (f64::from(score) - expected).abs();
            assert!(difference < 1e-5 * expected, "{score} for {expected}");
        }
    }
}

#[test]
fn each_round_finds_the_flow_anew_and_brings_nothing_back() {
    let mut model = Chain::random(&[4, 5, 3, 2], 1);
    let (rounds, density) = (10, 0.25_f64);
    let mut seen: Vec<Chain> = Vec::new();
    let structure = Global::default();
    let mask = prune_in_rounds(
        &mut model,
        &SynFlow,
        &structure,
        density,
        rounds,
        &mut |m| {
            seen.push(m.clone());
            known(m)
        },
    )
    .unwrap();
    assert_eq!(Mask::of_nonzeros(&model).unwrap().kept(), mask.kept());
    seen.push(model);
    assert_eq!(seen.len(), rounds + 1);
    for (round, pair) in seen.windows(2).enumerate() {
        let live = Mask::of_nonzeros(&pair[1]).unwrap();
        let share = density.powf((round + 1) as f64 / rounds as f64);
        assert_eq!(live.kept(), (41.0 * share).round() as usize, "{round}");
        let before = Mask::of_nonzeros(&pair[0]).unwrap();
        let flow = by_paths(&pair[0]);
        let mut lowest_kept = f64::INFINITY;
        let mut highest_pruned: f64 = 0.0;
        for ((now, before), flow) in live.tensors.iter().zip(&before.tensors).zip(&flow) {
            for ((&now, &before), &flow) in now.keep.iter().zip(&before.keep).zip(flow) {
                assert!(before || !now);
                match now {
                    true => lowest_kept = lowest_kept.min(flow),
                    false => highest_pruned = highest_pruned.max(flow),
                }
            }
        }
        assert!(highest_pruned <= lowest_kept * (1.0 + 1e-5), "{round}");
    }
}

#[test]
fn many_rounds_keep_the_layers_that_one_round_would_empty() {
    let after = |rounds| {
        let mut model = Chain::random(&[20, 40, 40, 2], 1);
        let structure = Global::default();
        prune_in_rounds(&mut model, &SynFlow, &structure, 0.016, rounds, &mut known)
    };
    let error = after(1).unwrap_err().to_string();
    assert!(error.contains("layers.0.weight"), "{error}");
    let mask = after(100).unwrap();
    assert!(mask.tensors.iter().all(|t| t.keep.contains(&true)));
}

#[test]
fn rounds_end_at_any_density_above_0_and_refuse_what_is_none() {
    let prune = |density, rounds| {
        let mut model = Chain::random(&[4, 3], 1);
        let structure = Global::default();
        let pruned = prune_in_rounds(
            &mut model, &SynFlow, &structure, density, rounds, &mut known,
        );
        pruned.map(|mask| mask.kept()).map_err(|e| e.to_string())
    };
    assert_eq!(prune(1.0, 3), Ok(12));
    assert_eq!(prune(0.5, 1), Ok(6));
    for none in [0.0, f64::NAN, 1.5, -0.5] {
        assert!(prune(none, 3).unwrap_err().contains("the final density"));
    }
    assert!(prune(0.5, 0).unwrap_err().contains("rounds of pruning"));
}
