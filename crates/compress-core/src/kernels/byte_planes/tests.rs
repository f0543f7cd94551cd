//! Every level against planes that are picked byte by byte, and bits that are moved one by one.

use super::*;

fn bit(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 8] >> (i % 8) & 1
}

#[test]
fn every_level_splits_and_joins_as_by_hand() {
    for size in [2, 4, 8] {
        for count in [0, 1, 15, 33, 1000] {
            let numbers: Vec<u8> = (0..size * count)
                .map(|i| (i * i * 31 + i / 7) as u8)
                .collect();
            for rotated in [0, 1] {
                // Bit i of a plane is bit 8·k + i of the rotated number: the one `rotated` below.
                let by_hand = |k: usize| -> Vec<u8> {
                    let planes = numbers.chunks(size).map(|number| {
                        let from = |i: usize| (8 * k + i + 8 * size - rotated) % (8 * size);
                        (0..8).map(|i| bit(number, from(i)) << i).sum()
                    });
                    planes.collect()
                };
                let planes: Vec<Vec<u8>> = (0..size).map(by_hand).collect();
                for isa in Isa::available() {
                    let mut plane = vec![0; count];
                    for (k, expected) in planes.iter().enumerate() {
                        split_at(isa, &numbers, size, rotated as u32, k, &mut plane);
                        assert_eq!(plane, *expected, "{isa:?} {size} {count} {rotated} {k}");
                    }
                    let planes: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
                    let mut joined = vec![0; numbers.len()];
                    join_at(isa, &planes, rotated as u32, &mut joined);
                    assert_eq!(joined, numbers, "{isa:?} {size} {count} {rotated}");
                }
            }
        }
    }
}

#[test]
#[should_panic]
fn a_plane_of_another_length_is_refused() {
    join_at(Isa::Scalar, &[&[0; 3], &[0; 2]], 0, &mut [0; 6]);
}
