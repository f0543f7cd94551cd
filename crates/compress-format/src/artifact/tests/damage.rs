//! Bytes that are not what was written: an error, never a panic.

use super::*;
use proptest::prelude::*;

/// Reads under a limit that the small models keep.
fn read(bytes: &[u8]) -> Result<Artifact> {
    Artifact::from_bytes_with_limit(bytes, 500)
}

#[test]
fn cut_off_anywhere_with_and_without_the_right_checksum() {
    for artifact in small_models() {
        let (bytes, _) = artifact.to_bytes().unwrap();
        assert!(read(&bytes).is_ok());
        for length in 0..bytes.len() {
            let mut cut = bytes[..length].to_vec();
            assert!(matches!(read(&cut), Err(Error::Format { .. })), "{length}");
            // What is left of one stream may be another model's.
            if length >= content(&bytes) && bytes[0] != solid::MAGIC {
                seal(&mut cut);
                assert!(matches!(read(&cut), Err(Error::Format { .. })), "{length}");
            }
        }
        for more in [&[0][..], &[1], &[0, 1]] {
            let mut longer = [&bytes, more].concat();
            seal(&mut longer);
            assert!(matches!(read(&longer), Err(Error::Format { .. })));
        }
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    for artifact in small_models().iter().step_by(7) {
        let (bytes, _) = artifact.to_bytes().unwrap();
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&changed), Err(Error::Format { .. })), "{bit}");
        }
    }
}

#[test]
fn changed_bytes_with_the_right_checksum_never_panic() {
    for (i, artifact) in small_models().iter().step_by(10).enumerate() {
        let (bytes, _) = artifact.to_bytes().unwrap();
        for at in content(&bytes)..bytes.len() {
            let few = (0..8).map(|bit| bytes[at] ^ 1 << bit).chain([0, 255]);
            let all = (0..=255).filter(|_| i % 8 == 0 || bytes[0] == solid::MAGIC);
            for value in few.chain(all) {
                let mut changed = bytes.clone();
                changed[at] = value;
                seal(&mut changed);
                if let Ok(read) = read(&changed) {
                    // Whatever it is, it is whole, and can be written.
                    read.validate().unwrap();
                    assert!(read.architecture.parameter_count() <= 500);
                }
            }
        }
    }
}

#[test]
fn a_model_larger_than_the_limit_is_refused() {
    let artifact = model(lenet(), Kind::PowerOfTwo(4), Kind::PowerOfTwo(4), 0);
    let (bytes, _) = artifact.to_bytes().unwrap();
    let count = artifact.architecture.parameter_count();
    assert!(Artifact::from_bytes_with_limit(&bytes, count).is_ok());
    let error = Artifact::from_bytes_with_limit(&bytes, count - 1).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
}

#[test]
fn what_is_wrong_is_said() {
    let (bytes, _) = small_models()[0].to_bytes().unwrap();
    let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(message(b"PNG12345678").contains("0xD1"));
    let mut newer = bytes.clone();
    newer[3] = VERSION + 2;
    assert!(message(&newer).contains("version 4"));
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    assert!(message(&damaged).contains("damaged"));
    // The byte after the checksum begins the architecture.
    let mut flagged = bytes.clone();
    flagged[CHECKSUM.end] |= 3;
    seal(&mut flagged);
    let said = message(&flagged);
    assert!(said.contains("an unknown coding of the selected"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn random_bytes_never_panic(
        content in proptest::collection::vec(any::<u8>(), 0..300),
        sealed in any::<bool>(),
        solid in any::<bool>(),
    ) {
        let mut bytes = content;
        if sealed {
            let mut whole = match solid {
                true => vec![solid::MAGIC, 0, 0],
                false => [&MAGIC[..], &[VERSION, 0, 0, 0, 0]].concat(),
            };
            whole.extend(bytes);
            seal(&mut whole);
            bytes = whole;
        }
        let _ = Artifact::from_bytes_with_limit(&bytes, 5000);
    }

    #[test]
    fn random_changes_never_panic(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let models = [
            model(Architecture::mlp(&[9, 5, 2], Activation::Relu).unwrap(), Kind::Codebook(16), Kind::Linear(8, Granularity::Group(2), true), 300),
            model(Architecture::mlp(&[16, 5, 2], Activation::Relu).unwrap(), Kind::Linear(4, Granularity::Channel, true), Kind::Float, 100),
            solid_models().nth(1).unwrap(),
        ];
        let (mut bytes, _) = which.get(&models).to_bytes().unwrap();
        for (at, value) in changes {
            let start = content(&bytes);
            let at = start + at.index(bytes.len() - start);
            bytes[at] = value;
        }
        seal(&mut bytes);
        let _ = read(&bytes);
    }
}
