//! What a network refuses where it does not support it.

use ndarray::array;

use super::test_chain::Chain;
use super::*;

#[test]
fn a_network_that_removes_no_layers_says_so() {
    let mut chain = Chain::new(vec![array![[1.0]], array![[1.0]]]);
    let before = chain.architecture();
    for layer in ["layers.0", "nowhere"] {
        let error = chain.remove_layer(layer, LayerRemoval::Fold).unwrap_err();
        assert!(
            matches!(&error, Error::Refused { layer: named, .. } if named == layer),
            "{error}"
        );
    }
    assert_eq!(chain.architecture(), before);
}

#[test]
fn an_edit_is_reached_through_any_kind_of_network() {
    let mut network = Chain::new(vec![array![[1.0]], array![[1.0]]]).boxed_clone();
    let group = network.graph().group("layers.0").unwrap();
    let error = network.keep(&group, &[false]).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert_eq!((network.features(), network.outputs()), (1, 1));
}
