//! Half precision (f16) to f32 and back: what the crate `half` does, as plain arithmetic that
//! vectorizes.

/// The bits of the smallest positive half that is not subnormal, 2⁻¹⁴.
pub(crate) const SMALLEST_NORMAL: u16 = 0x0400;

/// The value of a half, exactly; infinities and NaN too.
#[inline(always)]
pub(crate) fn to_f32(bits: u16) -> f32 {
    /// Moves the exponent's bias from 15 to 127. Subnormals become normal by the same product.
    const REBIAS: f32 = f32::from_bits((127 + 112) << 23);
    let bits = u32::from(bits);
    let sign = (bits & 0x8000) << 16;
    let magnitude = f32::from_bits((bits & 0x7fff) << 13);
    let special = if bits & 0x7c00 == 0x7c00 {
        0x7f80_0000
    } else {
        0
    };
    f32::from_bits((magnitude * REBIAS).to_bits() | special | sign)
}

/// The value of a half that lies in two bytes.
#[inline(always)]
pub(crate) fn read(low: u8, high: u8) -> f32 {
    to_f32(u16::from_le_bytes([low, high]))
}

/// Whether it is neither an infinity nor NaN.
#[inline(always)]
pub(crate) fn is_finite(bits: u16) -> bool {
    bits & 0x7c00 != 0x7c00
}

/// The half nearest to a number, ties to even; infinity from 65520 on.
#[inline(always)]
pub(crate) fn from_f32(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) & 0x8000;
    let magnitude = x.to_bits() & 0x7fff_ffff;
    // The last bit of 0.5 counts as a half's smallest subnormal: the addition rounds.
    let small = (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits();
    let odd = (magnitude >> 13) & 1;
    let normal = magnitude.wrapping_sub(112 << 23).wrapping_add(0xfff + odd) >> 13;
    let rounded = if magnitude < 0x3880_0000 {
        small
    } else {
        normal
    };
    let rounded = if magnitude >= 0x4780_0000 {
        0x7c00
    } else {
        rounded
    };
    let nan = if magnitude > 0x7f80_0000 { 0x200 } else { 0 };
    (rounded | nan | sign) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_half_everywhere() {
        for bits in 0..=u16::MAX {
            let expected = half::f16::from_bits(bits).to_f32();
            let got = to_f32(bits);
            assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan());
            if expected.is_nan() {
                assert!(half::f16::from_bits(from_f32(expected)).is_nan());
                continue;
            }
            assert_eq!(from_f32(expected), bits);
            // Around the middle to the next half, and around the value itself.
            let middle = f32::from_bits(expected.to_bits().wrapping_add(0x1000));
            for near in [expected, middle] {
                for step in [-1i32, 0, 1] {
                    let x = f32::from_bits(near.to_bits().wrapping_add_signed(step));
                    if !x.is_nan() {
                        assert_eq!(from_f32(x), half::f16::from_f32(x).to_bits(), "{x:e}");
                    }
                }
            }
        }
        for x in (0..u32::MAX)
            .step_by(65_537)
            .map(f32::from_bits)
            .filter(|x| !x.is_nan())
        {
            assert_eq!(from_f32(x), half::f16::from_f32(x).to_bits(), "{x:e}");
        }
    }
}
