//! Tiles of f32 activations: for each group one chain over k, then the group's scale.

use std::marker::PhantomData;

use super::codes::Codes;
use super::panels::{HALF, Kind, PANEL, SUPER};
use super::simd::Simd;
use super::supers::fours;
use super::tiles::{Kernel, Tile};

/// Floats, for any kind of scales. One vector, and exactly `R` rows.
pub(super) struct Floats<C>(PhantomData<C>);

impl<C: Codes> Kernel for Floats<C> {
    #[inline(always)]
    unsafe fn run<S: Simd, const V: usize, const R: usize>(t: &Tile<'_>) {
        let w = t.weights;
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let mut sums = [t.start::<S>(0); R];
            let mut codes = t.codes.add(4 * t.lane);
            for group in 0..w.groups() {
                let end = (group * w.group + w.group).min(w.k);
                let mut at = group * w.group;
                let mut chains = [S::splat_f32(0.0); R];
                while at < end {
                    let half = C::unpack::<S>(w, codes);
                    if end - at >= HALF {
                        for (quad, codes) in half.into_iter().enumerate() {
                            let x = t.x.add(at + 4 * quad);
                            step::<S, C, R>(t, codes, 0, x, &mut chains);
                            step::<S, C, R>(t, codes, 1, x.add(1), &mut chains);
                            step::<S, C, R>(t, codes, 2, x.add(2), &mut chains);
                            step::<S, C, R>(t, codes, 3, x.add(3), &mut chains);
                        }
                    } else {
                        for i in 0..end - at {
                            let (codes, x) = (half[i / 4], t.x.add(at + i));
                            step::<S, C, R>(t, codes, i as i32 % 4, x, &mut chains);
                        }
                    }
                    codes = codes.add(C::HALF_BYTES);
                    at += HALF;
                }
                let (scale, minimum) = scales::<S>(t, group);
                for row in 0..R {
                    sums[row] = S::fma(scale, chains[row], sums[row]);
                    if w.kind.has_minimum() {
                        let x = S::splat_f32(*t.scales_x.add(group * t.height + row));
                        sums[row] = S::fma(minimum, x, sums[row]);
                    }
                }
            }
            for (row, &sum) in sums.iter().enumerate() {
                t.finish::<S>(row, 0, sum);
            }
        }
    }
}

/// One k: byte `byte` of each lane's codes.
#[inline(always)]
unsafe fn step<S: Simd, C: Codes, const R: usize>(
    t: &Tile<'_>,
    codes: S::I,
    byte: i32,
    x: *const f32,
    chains: &mut [S::F; R],
) {
    // SAFETY: each row of x has this k.
    unsafe {
        let w = C::values::<S>(t.weights, S::shift_right(codes, 8 * byte));
        for (row, chain) in chains.iter_mut().enumerate() {
            let x = S::splat_f32(*x.offset(row as isize * t.x_stride));
            *chain = S::fma(w, x, *chain);
        }
    }
}

/// The scale and the minimum of a group; where there is no minimum, anything.
#[inline(always)]
unsafe fn scales<S: Simd>(t: &Tile<'_>, group: usize) -> (S::F, S::F) {
    let w = t.weights;
    let groups = if w.kind.is_super() {
        SUPER / w.group
    } else {
        1
    };
    // SAFETY: the group is one of the weights, and the fields are where `panels` says.
    unsafe {
        let unit = t.scales.add(group / groups * w.unit_bytes());
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
