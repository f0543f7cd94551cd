//! Tiles of f32 activations: for each group one chain over k, then the group's scale.

#![allow(
    clippy::needless_range_loop,
    reason = "rows and vectors index several arrays and pointers at once"
)]

use std::marker::PhantomData;

use super::codes::Values;
use super::panels::{HALF, Kind, PANEL, SUPER};
use super::simd::Simd;
use super::supers::fours;
use super::tiles::{Kernel, Tile, ask_codes};

/// Floats, for any kind of scales. A tile has exactly `R` rows.
pub(super) struct Floats<C>(PhantomData<C>);

impl<C: Values> Kernel for Floats<C> {
    #[inline(always)]
    unsafe fn run<S: Simd, const V: usize, const R: usize>(t: &Tile<'_>) {
        let w = t.weights;
        let (next_codes, next_scales) = (w.panel_codes(), w.panel_scales());
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let zero = S::splat_f32(0.0);
            let mut sums = t.starts::<S, V, R>(R);
            let mut codes = t.codes.add(4 * t.lane);
            for group in 0..w.groups() {
                let end = (group * w.group + w.group).min(w.k);
                let mut at = group * w.group;
                let mut chains = [[zero; V]; R];
                while at < end {
                    if R == 1 {
                        ask_codes::<S, V>(codes, C::HALF_BYTES, next_codes);
                    }
                    let mut half = [[S::splat(0); 4]; V];
                    for v in 0..V {
                        half[v] = C::unpack::<S>(w, codes.add(v * next_codes));
                    }
                    if end - at >= HALF {
                        for quad in 0..4 {
                            let mut codes = [S::splat(0); V];
                            for v in 0..V {
                                codes[v] = half[v][quad];
                            }
                            let x = t.x.add(at + 4 * quad);
                            step::<S, C, V, R>(t, &codes, 0, x, &mut chains);
                            step::<S, C, V, R>(t, &codes, 1, x.add(1), &mut chains);
                            step::<S, C, V, R>(t, &codes, 2, x.add(2), &mut chains);
                            step::<S, C, V, R>(t, &codes, 3, x.add(3), &mut chains);
                        }
                    } else {
                        for i in 0..end - at {
                            let mut codes = [S::splat(0); V];
                            for v in 0..V {
                                codes[v] = half[v][i / 4];
                            }
                            let x = t.x.add(at + i);
                            step::<S, C, V, R>(t, &codes, i as i32 % 4, x, &mut chains);
                        }
                    }
                    // May lie beyond the panels, after the last half; see `Grouped`.
                    codes = codes.wrapping_add(C::HALF_BYTES);
                    at += HALF;
                }
                for v in 0..V {
                    let (scale, minimum) = scales::<S>(t, group, v * next_scales);
                    for row in 0..R {
                        let mut sum = S::fma(scale, chains[row][v], sums[row][v]);
                        if w.kind.has_minimum() {
                            let x = *t.scales_x.add(group * t.height + row);
                            sum = S::fma(minimum, S::splat_f32(x), sum);
                        }
                        sums[row][v] = sum;
                    }
                }
            }
            t.finish::<S, V, R>(R, &sums);
        }
    }
}

/// One k: byte `byte` of each lane's codes.
#[inline(always)]
unsafe fn step<S: Simd, C: Values, const V: usize, const R: usize>(
    t: &Tile<'_>,
    codes: &[S::I; V],
    byte: i32,
    x: *const f32,
    chains: &mut [[S::F; V]; R],
) {
    // SAFETY: each row of x has this k.
    unsafe {
        let mut w = [S::splat_f32(0.0); V];
        for v in 0..V {
            w[v] = C::values::<S>(t.weights, S::shift_right(codes[v], 8 * byte));
        }
        for row in 0..R {
            let x = S::splat_f32(*x.offset(row as isize * t.x_stride));
            for v in 0..V {
                chains[row][v] = S::fma(w[v], x, chains[row][v]);
            }
        }
    }
}

/// The scale and the minimum of a group, where the panel's scales begin `panel` bytes on; where
/// there is no minimum, anything.
#[inline(always)]
unsafe fn scales<S: Simd>(t: &Tile<'_>, group: usize, panel: usize) -> (S::F, S::F) {
    let w = t.weights;
    let groups = if w.kind.is_super() {
        SUPER / w.group
    } else {
        1
    };
    // SAFETY: the group is one of the weights, and the fields are where `panels` says.
    unsafe {
        let unit = t.scales.add(panel + group / groups * w.unit_bytes());
        let group = group % groups;
        match w.kind {
            Kind::K4 => {
                let (scale, pairs) = fours::<S>(t, unit);
                let d = S::load_f16(unit.add(2 * t.lane));
                let dmin = S::load_f16(unit.add(2 * (PANEL + t.lane)));
                let pair = pairs[group / 4 * 2 + group % 2];
                let pair = S::shift_right(pair, group as i32 % 4 / 2 * 16);
                let minimum = S::to_f32(S::and(pair, S::splat(0xff)));
                let minimum = S::mul(S::mul(dmin, minimum), S::splat_f32(-1.0));
                (S::mul(d, S::to_f32(scale[group])), minimum)
            }
            Kind::K6 => {
                let scale = S::load_i8(unit.add(group * PANEL + t.lane).cast());
                let d = S::load_f16(unit.add(16 * PANEL + 2 * t.lane));
                (S::mul(d, scale), d)
            }
            Kind::Affine => (t.scale::<S>(unit, 0), t.scale::<S>(unit, 1)),
            _ => {
                let scale = t.scale::<S>(unit, 0);
                (scale, scale)
            }
        }
    }
}
