//! ggml's algorithms for one block after the other.

use half::f16;

use super::BlockFormat;

pub(super) fn q8_0(x: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for x in x.chunks(32) {
        let d = x.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
        out.extend(f16::from_f32(d).to_le_bytes());
        let inverse = if (1.0 / d).is_finite() { 1.0 / d } else { 0.0 };
        out.extend(x.iter().map(|x| (x * inverse).round() as i8 as u8));
    }
    out
}

/// The inverse of a scale.
fn inverse(d: f32) -> f32 {
    if (1.0 / d).is_finite() { 1.0 / d } else { 0.0 }
}

/// Codes of four bits, after the fifth ones where there are five.
fn codes(out: &mut Vec<u8>, bits: u32, code: impl Fn(usize) -> u8) {
    if bits == 5 {
        for byte in 0..4 {
            out.push((0..8).map(|i| code(8 * byte + i) >> 4 << i).sum());
        }
    }
    out.extend((0..16).map(|i| code(i) & 15 | code(i + 16) << 4));
}

/// `Q4_0` and `Q5_0`.
pub(super) fn whole(x: &[f32], bits: u32) -> Vec<u8> {
    let (mut out, half) = (Vec::new(), 2.0f32.powi(bits as i32 - 1));
    for x in x.chunks(32) {
        let mut farthest = 0.0f32;
        for &x in x {
            if x.abs() > farthest.abs() {
                farthest = x;
            }
        }
        let d = farthest / -half;
        out.extend(f16::from_f32(d).to_le_bytes());
        let most = (1 << bits) - 1;
        let code = |i: usize| ((x[i] * inverse(d) + half + 0.5) as i32).min(most) as u8;
        codes(&mut out, bits, code);
    }
    out
}

/// `Q4_1` and `Q5_1`.
pub(super) fn affine(x: &[f32], bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for x in x.chunks(32) {
        let (mut low, mut high) = (f32::MAX, f32::MIN);
        for &x in x {
            low = if x < low { x } else { low };
            high = if x > high { x } else { high };
        }
        let most = (1 << bits) - 1;
        let d = (high - low) / most as f32;
        out.extend(f16::from_f32(d).to_le_bytes());
        out.extend(f16::from_f32(low).to_le_bytes());
        let code = |i: usize| (((x[i] - low) * inverse(d) + 0.5) as i32).min(most) as u8;
        codes(&mut out, bits, code);
    }
    out
}

fn nearest(x: f32) -> i32 {
    x.round_ties_even() as i32
}

fn weights(x: &[f32]) -> Vec<f32> {
    let root = (x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32).sqrt();
    x.iter().map(|x| root + x.abs()).collect()
}

/// `make_qkx2_quants` for 15 steps, 21 trials from −1 in steps of 0.1: scale and negated minimum.
fn search(x: &[f32]) -> (f32, f32) {
    let w = weights(x);
    let low = x.iter().fold(0.0f32, |m, &x| m.min(x));
    let high = x.iter().fold(x[0], |m, &x| m.max(x));
    if low == high {
        return (0.0, -low);
    }
    let codes = |inverse: f32| -> Vec<f32> {
        x.iter()
            .map(|x| nearest(inverse * (x - low)).clamp(0, 15) as f32)
            .collect()
    };
    let error = |l: &[f32], scale: f32, min: f32| -> f32 {
        let terms = x.iter().zip(l).zip(&w);
        terms
            .map(|((x, l), w)| w * (scale * l + min - x) * (scale * l + min - x))
            .sum()
    };
    let inverse = 15.0 / (high - low);
    let mut best = (1.0 / inverse, low);
    let mut least = error(&codes(inverse), best.0, best.1);
    let sum_w: f32 = w.iter().sum();
    let sum_x: f32 = x.iter().zip(&w).map(|(x, w)| x * w).sum();
    for trial in 0..=20 {
        let l = codes((-1.0 + 0.1 * trial as f32 + 15.0) / (high - low));
        let sum = |f: &dyn Fn(f32, f32) -> f32| -> f32 {
            x.iter()
                .zip(&l)
                .zip(&w)
                .map(|((&x, &l), w)| w * f(x, l))
                .sum()
        };
        let (sum_l, sum_l2, sum_xl) = (sum(&|_, l| l), sum(&|_, l| l * l), sum(&|x, l| x * l));
        let determinant = sum_w * sum_l2 - sum_l * sum_l;
        if determinant > 0.0 {
            let mut scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
            let mut min = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
            if min > 0.0 {
                min = 0.0;
                scale = sum_xl / sum_l2;
            }
            let now = error(&l, scale, min);
            if now < least {
                least = now;
                best = (scale, min);
            }
        }
    }
    (best.0, -best.1)
}

pub(super) fn q4_k(x: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for x in x.chunks(256) {
        let fits: Vec<(f32, f32)> = x.chunks(32).map(search).collect();
        let most = fits
            .iter()
            .fold((0.0f32, 0.0f32), |m, f| (m.0.max(f.0), m.1.max(f.1)));
        let inverse = |most: f32| if most > 0.0 { 63.0 / most } else { 0.0 };
        let six = |x: f32, most: f32| nearest(inverse(most) * x).min(63) as u8;
        let scales: Vec<u8> = fits.iter().map(|f| six(f.0, most.0)).collect();
        let minima: Vec<u8> = fits.iter().map(|f| six(f.1, most.1)).collect();
        let (d, dmin) = (f16::from_f32(most.0 / 63.0), f16::from_f32(most.1 / 63.0));
        out.extend(d.to_le_bytes());
        out.extend(dmin.to_le_bytes());
        out.extend((0..4).map(|j| scales[j] | (scales[j + 4] >> 4) << 6));
        out.extend((0..4).map(|j| minima[j] | (minima[j + 4] >> 4) << 6));
        out.extend((4..8).map(|j| scales[j] & 15 | (minima[j] & 15) << 4));
        let codes: Vec<u8> = (0..256)
            .map(|i| {
                let scale = d.to_f32() * f32::from(scales[i / 32]);
                let min = dmin.to_f32() * f32::from(minima[i / 32]);
                if scale == 0.0 {
                    0
                } else {
                    nearest((x[i] + min) / scale).clamp(0, 15) as u8
                }
            })
            .collect();
        for pair in codes.chunks(64) {
            out.extend((0..32).map(|i| pair[i] | pair[i + 32] << 4));
        }
    }
    out
}

/// `make_qx_quants` for codes from −32 to 31 with weights x²: the scale, and the codes.
fn search_q6_k(x: &[f32]) -> (f32, Vec<i32>) {
    let mut max = 0.0f32;
    for &x in x {
        if x.abs() > max.abs() {
            max = x;
        }
    }
    if max.abs() < 1e-15 {
        return (0.0, vec![-32; x.len()]);
    }
    let codes = |inverse: f32| -> Vec<i32> {
        x.iter()
            .map(|x| nearest(inverse * x).clamp(-32, 31))
            .collect()
    };
    let sums = |codes: &[i32]| {
        let (mut sum_lx, mut sum_l2) = (0.0f32, 0.0f32);
        for (&x, &l) in x.iter().zip(codes) {
            sum_lx += x * x * x * l as f32;
            sum_l2 += x * x * l as f32 * l as f32;
        }
        (sum_lx, sum_l2)
    };
    let mut found = codes(-32.0 / max);
    let (sum_lx, sum_l2) = sums(&found);
    let mut scale = if sum_l2 == 0.0 { 0.0 } else { sum_lx / sum_l2 };
    let mut best = scale * sum_lx;
    for trial in -9..=9 {
        if trial == 0 {
            continue;
        }
        let candidate = codes(-(32.0 + 0.1 * trial as f32) / max);
        let (sum_lx, sum_l2) = sums(&candidate);
        if sum_l2 > 0.0 && sum_lx * sum_lx > best * sum_l2 {
            found = candidate;
            scale = sum_lx / sum_l2;
            best = scale * sum_lx;
        }
    }
    (scale, found)
}

pub(super) fn q6_k(x: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for x in x.chunks(256) {
        let fits: Vec<(f32, Vec<i32>)> = x.chunks(16).map(search_q6_k).collect();
        let mut most = 0.0f32;
        for (scale, _) in &fits {
            if scale.abs() > most.abs() {
                most = *scale;
            }
        }
        if most.abs() < 1e-15 {
            out.extend([0; 210]);
            continue;
        }
        let inverse = -128.0 / most;
        let d = f16::from_f32(1.0 / inverse);
        let mut codes = Vec::new();
        let mut scales = Vec::new();
        for ((scale, found), x) in fits.iter().zip(x.chunks(16)) {
            let multiple = nearest(inverse * scale).min(127);
            scales.push(multiple as i8 as u8);
            let d = d.to_f32() * multiple as f32;
            codes.extend(x.iter().zip(found).map(|(x, &found)| {
                let code = if d == 0.0 {
                    found
                } else {
                    nearest(x / d).clamp(-32, 31)
                };
                (code + 32) as u8
            }));
        }
        let at = |i: usize| codes[i];
        for half in [0, 128] {
            out.extend((half..half + 64).map(|i| at(i) & 15 | (at(i + 64) & 15) << 4));
        }
        for half in [0, 128] {
            out.extend((half..half + 32).map(|i| {
                at(i) >> 4 | at(i + 32) >> 4 << 2 | at(i + 64) >> 4 << 4 | at(i + 96) >> 4 << 6
            }));
        }
        out.extend(scales);
        out.extend(d.to_le_bytes());
    }
    out
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The value of element `i` of a block, by the table of [`crate::kernels::block_format`].
fn value(format: BlockFormat, block: &[u8], i: usize) -> Option<f32> {
    let value = match format {
        BlockFormat::Q8_0 => half_at(block, 0) * f32::from(block[2 + i] as i8),
        BlockFormat::Q4_0 => {
            let q = block[2 + i % 16] >> (i / 16 * 4) & 15;
            half_at(block, 0) * (f32::from(q) - 8.0)
        }
        BlockFormat::Q4_K => {
            let (j, s) = (i / 32, &block[4..16]);
            let (scale, min) = match j {
                0..4 => (s[j] & 63, s[j + 4] & 63),
                _ => (
                    s[j + 4] & 15 | s[j - 4] >> 6 << 4,
                    s[j + 4] >> 4 | s[j] >> 6 << 4,
                ),
            };
            let q = block[16 + i / 64 * 32 + i % 32] >> (j % 2 * 4) & 15;
            let scale = half_at(block, 0) * f32::from(scale);
            scale * f32::from(q) - half_at(block, 2) * f32::from(min)
        }
        BlockFormat::Q6_K => {
            let (part, run, l) = (i / 128, i % 128 / 32, i % 32);
            let low = block[64 * part + run % 2 * 32 + l] >> (run / 2 * 4) & 15;
            let high = block[128 + 32 * part + l] >> (2 * run) & 3;
            let scale = half_at(block, 208) * f32::from(block[192 + i / 16] as i8);
            scale * (f32::from(low | high << 4) - 32.0)
        }
        _ => return None,
    };
    Some(value)
}

/// None where the format is not written down here.
pub(super) fn dequantize(format: BlockFormat, bytes: &[u8]) -> Option<Vec<f32>> {
    let blocks = bytes.chunks(format.block_bytes());
    let of_block = |block| (0..format.block_len()).map(move |i| value(format, block, i));
    blocks.flat_map(of_block).collect()
}
