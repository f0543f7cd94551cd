//! Every level against the specification, by `==` of bits.

use super::*;

/// Numbers of mixed magnitude whose sums round at every step.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mantissa = (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        mantissa * [1.0, 1e-3, 37.0, 0.25][(state >> 33) as usize % 4]
    };
    (0..count).map(|_| draw()).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn every_height_and_depth_and_nothing_else_is_written() {
    for height in 0..=30 {
        for depth in [0, 1, 2, 3, 16, 33] {
            let (start, gap) = (height % 5, depth % 3);
            let to = start + depth + gap;
            let stride = to + PANEL + height % 4;
            let rows = numbers(height * stride, 1);
            let panel = numbers(depth * PANEL, 2);
            let mut expected = rows.clone();
            for row in expected.chunks_exact_mut(stride) {
                for c in 0..PANEL {
                    for k in 0..depth {
                        row[to + c] = (-row[start + k]).mul_add(panel[k * PANEL + c], row[to + c]);
                    }
                }
            }
            for isa in Isa::available() {
                let mut found = rows.clone();
                subtract(isa, &mut found, stride, start..start + depth, to, &panel);
                assert_eq!(bits(&found), bits(&expected), "{isa:?} {height} {depth}");
            }
        }
    }
}

#[test]
fn substitution_is_one_chain_for_each_element() {
    let mut triangle: Triangle = [[0.0; PANEL]; PANEL];
    for (k, (row, values)) in triangle
        .iter_mut()
        .zip(numbers(PANEL * PANEL, 3).chunks_exact(PANEL))
        .enumerate()
    {
        row[k + 1..].copy_from_slice(&values[k + 1..]);
    }
    let scales: [f64; PANEL] = numbers(PANEL, 4).try_into().unwrap();
    for height in 0..=9 {
        let (stride, at) = (PANEL + 5, 3);
        let mut rows = numbers(height * stride, 5);
        // A −0 from which only zeros are subtracted stays one.
        for row in rows.chunks_exact_mut(stride) {
            row[at] = -0.0;
        }
        let mut expected = rows.clone();
        for row in expected.chunks_exact_mut(stride) {
            for c in 0..PANEL {
                let sum = (0..c).fold(row[at + c], |sum, k| {
                    (-row[at + k]).mul_add(triangle[k][c], sum)
                });
                row[at + c] = sum * scales[c];
            }
        }
        for isa in Isa::available() {
            let mut found = rows.clone();
            substitute_at(isa, &mut found, stride, at, &triangle, &scales);
            assert_eq!(bits(&found), bits(&expected), "{isa:?} {height}");
        }
    }
}

#[test]
fn a_pivot_that_is_not_positive_is_named() {
    for isa in Isa::available() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut rows = vec![0.0; 5 * PANEL];
            for i in 0..5 {
                rows[i * PANEL + i] = 4.0;
            }
            let scales = factor_triangle_at(isa, &mut rows.clone(), PANEL, 0).unwrap();
            assert_eq!(scales[..6], [0.5, 0.5, 0.5, 0.5, 0.5, 0.0]);
            rows[3 * PANEL + 3] = bad;
            let (row, value) = factor_triangle_at(isa, &mut rows, PANEL, 0).unwrap_err();
            assert_eq!((row, value.to_bits()), (3, bad.to_bits()), "{isa:?}");
        }
    }
}

#[test]
#[should_panic]
fn columns_beyond_the_row_are_never_touched() {
    let panel = [0.0; PANEL];
    subtract(Isa::Scalar, &mut [0.0; 16], 16, 0..1, 1, &panel);
}
