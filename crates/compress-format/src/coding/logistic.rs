//! Probabilities as log-odds, in integers: how much evidence a context gives.
//!
//! A *stretch* is log2(p / (1 − p)) in units of 1/256. Evidence adds up in this domain.

#[cfg(test)]
mod tests;

/// Units of a stretch per factor of two in the odds.
pub(crate) const UNIT: i32 = 256;

/// Stretches lie between −LIMIT and LIMIT: odds of 1 to 2^14.
pub(crate) const LIMIT: i32 = 14 * UNIT;

/// log2(1 + i/256) in units of 1/256.
static LOG2: [u16; 256] = log2_table();

/// The probability for each stretch from −LIMIT to LIMIT.
static SQUASH: [u16; 2 * LIMIT as usize + 1] = squash_table();

/// log2(`x`) in units of 1/256, to within two units; 0 counts as 1.
pub(crate) fn log2(x: u64) -> i32 {
    let x = x.max(1);
    let zeros = x.leading_zeros();
    let mantissa = ((x << zeros) >> 55) & 0xff;
    (63 - zeros as i32) * UNIT + i32::from(LOG2[mantissa as usize])
}

/// The stretch of the odds `yes` to `no`.
pub(crate) fn odds(yes: u64, no: u64) -> i32 {
    (log2(yes) - log2(no)).clamp(-LIMIT, LIMIT)
}

/// The stretch of a probability in units of 2⁻³².
pub(crate) fn stretch(probability: u32) -> i32 {
    odds(u64::from(probability), u64::from(!probability))
}

/// The probability, in units of 2⁻¹⁶, of a stretch. Beyond ±[`LIMIT`], the probability at the
/// limit.
pub(crate) fn squash(stretch: i32) -> u16 {
    SQUASH[(stretch.clamp(-LIMIT, LIMIT) + LIMIT) as usize]
}

/// One binary digit of the logarithm at a time: square, and halve when it reaches two.
const fn log2_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        // 1 + i/256 with 31 binary places.
        let mut x = (256 + i as u64) << 23;
        let mut digits = 0;
        let mut count = 0;
        while count < 9 {
            x = (x * x) >> 31;
            digits <<= 1;
            if x >> 32 != 0 {
                x >>= 1;
                digits |= 1;
            }
            count += 1;
        }
        table[i] = (digits + 1) >> 1;
        i += 1;
    }
    table
}

const fn squash_table() -> [u16; 2 * LIMIT as usize + 1] {
    let powers = power_table();
    let mut table = [0; 2 * LIMIT as usize + 1];
    let mut x = 0;
    while x <= LIMIT {
        // 2^(x/256) with 30 binary places: the odds of a set bit.
        let odds = powers[(x % UNIT) as usize] << (x / UNIT);
        let p = ((1 << 30) << 16) / ((1 << 30) + odds);
        table[(LIMIT - x) as usize] = p as u16;
        table[(LIMIT + x) as usize] = ((1 << 16) - p) as u16;
        x += 1;
    }
    table
}

/// 2^(i/256) with 30 binary places, from repeated square roots of two.
const fn power_table() -> [u64; UNIT as usize] {
    let mut table = [1 << 30; UNIT as usize];
    let mut root = 1_u64 << 31;
    let mut bit = UNIT as usize / 2;
    while bit > 0 {
        root = (root << 30).isqrt();
        let mut i = 0;
        while i < UNIT as usize {
            if i & bit != 0 {
                table[i] = (table[i] * root) >> 30;
            }
            i += 1;
        }
        bit /= 2;
    }
    table
}
