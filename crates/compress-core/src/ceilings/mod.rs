//! Ceilings: what the processor can do at most. Each function does a known amount of one kind of
//! work, for a benchmark to time.
//!
//! A kernel's speed means little until it is compared with a limit. Each function here does what a
//! perfect kernel would do: multiply-adds on registers alone, or reading and copying alone. It
//! returns how much it did. Libraries read no clock, so the caller takes the time and divides.
//!
//! | function | an instruction of it | operations each |
//! | --- | --- | ---: |
//! | [`fma_f32`] at [`Isa::Avx2`] | `vfmadd231ps` on 8 lanes | 16 |
//! | [`fma_f32`] at [`Isa::Avx512`] | `vfmadd231ps` on 16 lanes | 32 |
//! | [`fma_f64`] at [`Isa::Avx2`] | `vfmadd231pd` on 4 lanes | 8 |
//! | [`fma_f64`] at [`Isa::Avx512`] | `vfmadd231pd` on 8 lanes | 16 |
//! | [`widening_i8`] | `vpmaddwd` on 16 lanes, and `vpaddd` | 32 |
//! | [`vnni_i8`] | `vpdpbusd` on 64 bytes | 128 |
//! | [`amx_i8`] | `tdpbssd` on tiles of 16 × 64 bytes | 32,768 |
//!
//! A multiplication and the addition of its product count as two operations everywhere. There are
//! enough independent chains of additions to hide the latency of one. [`read`], [`copy`] and
//! [`update`] move bytes. Their speed depends on the cache that holds the data, and so on its size.
//!
//! Each function runs on the calling thread. For the limit of several threads, run one on each.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod sum;
#[cfg(test)]
mod tests;

use self::sum::wrapping_sum;
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// `rounds` times a fused multiply-add on each of many vectors of f32, at a level. Returns the
/// operations done; none where the machine lacks the level or the level has no vectors.
pub fn fma_f32(isa: Isa, rounds: u32) -> Option<u64> {
    if !isa.is_available() {
        return None;
    }
    match isa {
        Isa::Scalar => None,
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the level, which was asked above.
        Isa::Avx2 => Some(unsafe { avx2::fma_f32(rounds) }),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above; a processor with AMX, as this workspace counts, has AVX-512 too.
        Isa::Avx512 | Isa::Amx => Some(unsafe { avx512::fma_f32(rounds) }),
        #[cfg(not(target_arch = "x86_64"))]
        _ => None,
    }
}

/// `rounds` times a fused multiply-add on each of many vectors of f64, at a level. Returns the
/// operations done; none where the machine lacks the level or the level has no vectors.
pub fn fma_f64(isa: Isa, rounds: u32) -> Option<u64> {
    if !isa.is_available() {
        return None;
    }
    match isa {
        Isa::Scalar => None,
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the level, which was asked above.
        Isa::Avx2 => Some(unsafe { avx2::fma_f64(rounds) }),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above; a processor with AMX, as this workspace counts, has AVX-512 too.
        Isa::Avx512 | Isa::Amx => Some(unsafe { avx512::fma_f64(rounds) }),
        #[cfg(not(target_arch = "x86_64"))]
        _ => None,
    }
}

/// Does `rounds` products of pairs of i16, summed in pairs and added to i32, on each of many AVX2
/// vectors. This is how int8 widened to 16 bits is multiplied exactly. Returns the operations done;
/// none where the machine lacks AVX2. For two products, the addition of the pair and that to the
/// sum count as two.
pub fn widening_i8(rounds: u32) -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    if Isa::Avx2.is_available() {
        // SAFETY: the processor has AVX2.
        return Some(unsafe { avx2::widening_i8(rounds) });
    }
    let _ = rounds;
    None
}

/// `rounds` times a product of u8 and i8 in fours, added to i32, on each of many AVX-512
/// vectors. Returns the operations done; none where the machine lacks VNNI.
pub fn vnni_i8(rounds: u32) -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    if Isa::Avx512.is_available() {
        // SAFETY: the processor has AVX-512 with VNNI.
        return Some(unsafe { avx512::vnni_i8(rounds) });
    }
    let _ = rounds;
    None
}

/// `rounds` times a product of i8 tiles, 16 × 64 by 64 × 16, added to a tile of i32, on each of
/// four accumulators. Returns the operations done; none where the machine lacks AMX or Linux
/// does not permit it.
pub fn amx_i8(rounds: u32) -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    if Isa::Amx.is_available() {
        // SAFETY: the processor has tiles and int8 products on them, and Linux grants them: a level
        // that it does not grant does not count as available.
        return Some(unsafe { amx::products_i8(rounds) });
    }
    let _ = rounds;
    None
}

/// Reads all of `data`, once, from the first to the last. Returns the wrapping sum, so that no
/// read can be left out.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn read(data: &[u64]) -> Result<u64> {
    Ok(read_at(Isa::active()?, data))
}

/// Copies `from` to `to` as fast as the platform knows how: `8 · len` bytes read and as many
/// written.
///
/// # Errors
/// Where the lengths differ.
pub fn copy(from: &[u64], to: &mut [u64]) -> Result<()> {
    Error::check_shape("the target of a copy", &[from.len()], &[to.len()])?;
    to.copy_from_slice(from);
    Ok(())
}

/// Changes each of `data` in place (adds 1, wrapping): `8 · len` bytes read and as many written.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn update(data: &mut [u64]) -> Result<()> {
    update_at(Isa::active()?, data);
    Ok(())
}

by_level! {
    fn update_at(data: &mut [u64]) = update_body;
}

#[inline(always)]
fn update_body(data: &mut [u64]) {
    for value in data {
        *value = value.wrapping_add(1);
    }
}

fn read_at(isa: Isa, data: &[u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        if isa >= Isa::Avx512 && Isa::Avx512.is_available() {
            // SAFETY: the processor has the level.
            return unsafe { avx512::read(data) };
        }
        if isa >= Isa::Avx2 && Isa::Avx2.is_available() {
            // SAFETY: the processor has the level.
            return unsafe { avx2::read(data) };
        }
    }
    let _ = isa;
    wrapping_sum(data)
}
