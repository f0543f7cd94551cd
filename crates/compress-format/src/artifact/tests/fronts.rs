//! What the header says of a front, and what it must not.

use super::*;
use crate::coding::varint;

/// The bits of the flags that name a front.
const FRONT: u8 = 0b1100_0000;

#[test]
fn the_front_of_a_square_image_takes_no_byte() {
    let front = Pooling::TentPool {
        height: 28,
        width: 28,
    };
    let chain = Architecture::mlp(&[196, 60, 32, 10], Activation::Relu).unwrap();
    let bytes = |architecture: Architecture| {
        let artifact = model(architecture, Kind::SparseFloat, Kind::Float, 20);
        let (bytes, _) = artifact.to_bytes().unwrap();
        assert_eq!(Artifact::from_bytes(&bytes).unwrap(), artifact);
        bytes.len()
    };
    let without = Architecture::mlp(&[196, 60, 32, 10], Activation::Relu).unwrap();
    // 784 takes as many bytes as 196.
    assert_eq!(bytes(chain.behind(front).unwrap()), bytes(without));
}

#[test]
fn another_image_takes_its_height() {
    for fronted in fronted() {
        let mut bytes = Vec::new();
        header::write(&mut bytes, &fronted);
        let mut reader = Reader::new(&bytes, 0);
        assert_eq!(header::read(&mut reader, 1000).unwrap(), fronted);
        assert_eq!(reader.remaining(), 0);
        let mut plain = fronted.clone();
        (plain.front, plain.features) = (None, fronted.selectable());
        let mut without = Vec::new();
        header::write(&mut without, &plain);
        let front = Pooling::of(&fronted).unwrap();
        let varint = |number: usize| if number < 128 { 1 } else { 2 };
        let height = match (front, front.image()) {
            (Pooling::TentPool { .. }, (height, width)) if height == width => 0,
            (Pooling::TentPool { .. }, (height, _)) => varint(height),
            (Pooling::TentPyramid { .. }, (height, _)) => 1 + varint(height),
        };
        let features = varint(fronted.features) - varint(plain.features);
        assert_eq!(
            bytes.len(),
            without.len() + height + features,
            "{fronted:?}"
        );
    }
}

/// Flags that name front `code`, features, then `rest`, and a layer of two neurons.
fn read(code: u8, features: u64, rest: &[u64]) -> Result<Architecture> {
    let mut bytes = vec![code << 6];
    varint::write(&mut bytes, features);
    for &number in rest.iter().chain(&[1, 2]) {
        varint::write(&mut bytes, number);
    }
    header::read(&mut Reader::new(&bytes, 0), 1 << 20)
}

#[test]
fn features_that_are_no_image_are_refused() {
    let found = |code, features, rest: &[u64]| Pooling::of(&read(code, features, rest).unwrap());
    assert_eq!(found(0, 36, &[]), None);
    let front = |height, width| Some(Pooling::TentPool { height, width });
    assert_eq!(found(1, 36, &[]), front(6, 6));
    assert_eq!(found(2, 36, &[4]), front(4, 9));
    assert_eq!(read(2, 36, &[4]).unwrap().inputs(), 2 * 5);
    let (height, width) = (4, 9);
    let pyramid = Some(Pooling::TentPyramid { height, width });
    assert_eq!(found(3, 36, &[0, 4]), pyramid);
    assert_eq!(read(3, 36, &[0, 4]).unwrap().inputs(), 2 * 5 + 3);
    for (code, features, rest) in [
        (1, 35, &[][..]),
        (1, 0, &[]),
        (2, 36, &[0]),
        (2, 36, &[5]),
        (2, 36, &[37]),
        (2, 0, &[0]),
        (2, 1 << 19, &[u64::MAX]),
        (3, 36, &[]),
        (3, 36, &[0, 5]),
        (3, 36, &[1, 4]),
        (3, 2, &[0, 0]),
    ] {
        let error = read(code, features, rest).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
    }
}

#[test]
fn any_front_in_the_flags_of_any_model_is_read_or_refused() {
    for artifact in small_models() {
        let (bytes, _) = artifact.to_bytes().unwrap();
        for front in 0..4 {
            let mut changed = bytes.clone();
            changed[CHECKSUM.end] = changed[CHECKSUM.end] & !FRONT | front << 6;
            seal(&mut changed);
            if let Ok(read) = Artifact::from_bytes(&changed) {
                read.validate().unwrap();
            }
        }
    }
}
