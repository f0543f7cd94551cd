//! IDX files, hostile ones too, and augmentation.

use std::io::Write;

use compress_core::train::Samples;
use compress_nn::data::{Augmentation, Augmented, ImageSet, idx};
use ndarray::Array2;
use proptest::prelude::*;

fn image_file(count: u32, height: u32, width: u32) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    [count, height, width]
        .iter()
        .for_each(|n| bytes.extend(n.to_be_bytes()));
    bytes.extend((0..count * height * width).map(|i| i as u8));
    bytes
}

fn label_file(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn plain_and_compressed_files_read_alike() {
    let (images, labels) = (image_file(3, 2, 4), label_file(&[0, 1, 9]));
    let plain = ImageSet::from_idx(&images, &labels).unwrap();
    let packed = ImageSet::from_idx(&gzip(&images), &gzip(&labels)).unwrap();
    assert_eq!((plain.len(), plain.height(), plain.width()), (3, 2, 4));
    assert_eq!(plain.pixels(), packed.pixels());
    assert_eq!(packed.labels(), [0, 1, 9]);
    let mut row = Array2::zeros((1, 8));
    plain.fill(0, &[2], row.view_mut()).unwrap();
    assert_eq!(row[(0, 1)], 17.0 / 255.0);
}

#[test]
fn compressed_files_may_have_several_members_and_padding() {
    let images = image_file(3, 2, 4);
    let expected = idx::read_images(&images).unwrap();
    let (head, tail) = images.split_at(9);
    let members = [gzip(head), gzip(tail)].concat();
    for zeros in [0, 1, 511] {
        for file in [gzip(&images), members.clone()] {
            let padded = [file, vec![0; zeros]].concat();
            assert_eq!(
                idx::read_images(&padded).unwrap(),
                expected,
                "{zeros} zeros"
            );
        }
    }
    let followed = [gzip(&images), vec![0, 0, 7]].concat();
    let error = idx::read_images(&followed).unwrap_err().to_string();
    assert!(
        error.contains("3 bytes that are not gzip follow"),
        "{error}"
    );
}

#[test]
fn every_truncation_and_contradiction_is_an_error() {
    let (images, labels) = (image_file(3, 2, 4), label_file(&[0, 1, 9]));
    for whole in [images.clone(), gzip(&images)] {
        for length in 0..whole.len() {
            assert!(
                idx::read_images(&whole[..length]).is_err(),
                "cut at {length}"
            );
        }
    }
    for length in 0..labels.len() {
        assert!(
            idx::read_labels(&labels[..length]).is_err(),
            "cut at {length}"
        );
    }
    assert!(idx::read_images(&labels).is_err(), "labels are not images");
    assert!(
        idx::read_images(&[images.clone(), vec![0]].concat()).is_err(),
        "a byte too many"
    );
    assert!(
        ImageSet::from_idx(&images, &label_file(&[0, 1])).is_err(),
        "counts differ"
    );
    assert!(idx::read_images(&image_file(0, 2, 4)).is_err(), "no image");
    // Claims 2^96 bytes: refused before anything is allocated.
    let mut huge = vec![0, 0, 8, 3];
    huge.extend([0xff; 12]);
    assert!(idx::read_images(&huge).is_err());
    let missing = std::path::Path::new("there-is-no-such-file");
    assert!(
        idx::read_images(missing)
            .unwrap_err()
            .to_string()
            .contains("there-is-no-such-file")
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = idx::read_images(&bytes);
        let _ = idx::read_labels(&[vec![0, 0, 8, 1], bytes.clone()].concat());
        let _ = idx::read_labels(&[vec![0x1f, 0x8b, 8], bytes].concat());
    }
}

/// A bright cross in the middle of a dark field.
fn cross(count: usize) -> ImageSet {
    let one = |i: usize| u8::from(i / 28 == 14 || i % 28 == 14) * 200;
    let pixels = (0..count * 784).map(|i| one(i % 784)).collect();
    ImageSet::new(pixels, 28, 28, vec![0; count]).unwrap()
}

fn fill(data: &dyn Samples, epoch: u64, indices: &[usize]) -> Array2<f32> {
    let mut out = Array2::zeros((indices.len(), data.features()));
    data.fill(epoch, indices, out.view_mut()).unwrap();
    out
}

#[test]
fn an_augmented_image_depends_on_seed_stream_epoch_and_index_alone() {
    let set = cross(8);
    let make =
        |seed, stream: &str| Augmented::new(&set, Augmentation::default(), seed, stream).unwrap();
    let data = make(1, "a");
    let base = fill(&data, 0, &[0, 1, 2, 3]);
    // Alone, in another order, and from another instance.
    assert_eq!(fill(&make(1, "a"), 0, &[3, 2]).row(0), base.row(3));
    for (other, epoch) in [(make(2, "a"), 0), (make(1, "b"), 0), (make(1, "a"), 1)] {
        assert_ne!(fill(&other, epoch, &[0]).row(0), base.row(0));
    }
    assert_ne!(base.row(0), base.row(1));
    // The images are alike, so only what they are distorted by can differ.
    assert_ne!(fill(&data, 1, &[0]).row(0), base.row(1));
    assert!(base.iter().all(|x| (0.0..=1.0).contains(x)));
}

#[test]
fn no_strength_leaves_images_as_they_are() {
    let set = cross(2);
    let none = Augmentation::default().with_max_strength(0.0);
    let data = Augmented::new(&set, none, 1, "a").unwrap();
    let (plain, augmented) = (fill(&set, 0, &[0]), fill(&data, 0, &[0]));
    for (a, b) in plain.iter().zip(&augmented) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn augmentation_keeps_the_ink_about_the_same() {
    let set = cross(64);
    let data = Augmented::new(&set, Augmentation::default(), 1, "a").unwrap();
    let indices: Vec<usize> = (0..64).collect();
    let (plain, augmented) = (
        fill(&set, 0, &indices).sum(),
        fill(&data, 0, &indices).sum(),
    );
    assert!(
        (augmented / plain - 1.0).abs() < 0.15,
        "{plain} became {augmented}"
    );
}

#[test]
fn a_transfer_set_begins_with_the_originals() {
    let set = cross(5);
    let data = Augmented::new(&set, Augmentation::default(), 1, "a").unwrap();
    let transfer = data.materialize(2).unwrap();
    assert_eq!(transfer.len(), 15);
    assert_eq!(&transfer.pixels()[..set.pixels().len()], set.pixels());
    assert_ne!(
        &transfer.pixels()[5 * 784..6 * 784],
        &transfer.pixels()[10 * 784..11 * 784]
    );
    assert_eq!(transfer.labels(), [0; 15]);
}
