//! AMX: blocks of 32 rows by 32 columns in eight tile registers.
//!
//! Four tiles hold the sums, two hold 16 rows of codes each, two a panel of weights each, all for
//! 64 k. A step takes four loads and four `tdpbusd` of 16 cycles, and each tile that is loaded is
//! used twice: at 64 bytes a cycle from the first cache the loads take as long as the products,
//! so they stand as early as a register is free. One or two rows go to AVX-512: with 64 k and 32
//! columns a row takes 16 cycles there, and up to 16 rows take two products, 32 cycles, here.
//! These are counts of cycles; no processor with AMX was at hand to measure on.
//!
//! The intrinsics are not stable in Rust 1.95, so the instructions are inline assembly, one to a
//! function of [`Tiles`]. All that chooses addresses and registers is written against that
//! trait, and is tested on any machine with the instructions written out in plain code.
//!
//! # References
//! Intel, *Architecture Instruction Set Extensions Programming Reference*, chapter 3
//! (`TILELOADD`, `TDPBUSD`, `TILESTORED`, `LDTILECFG`).

use std::arch::asm;

use super::pack::{DEPTH, PANEL};
use super::rows::STRIP;
use super::tile::{SUMS, Tile};
use crate::kernels::lines::LINE;

/// Rows from which a block goes to AMX.
const FEWEST_ROWS: usize = 3;
/// Bytes from 64 k of a panel to the next.
const STEP: usize = 16 * LINE;

/// The most rows of a tile.
pub(super) const ROWS: usize = 2 * STRIP;

/// See [`Level::around`](super::dispatch::Level::around).
///
/// # Safety
/// The processor has AMX with int8, and the process may use it.
pub(super) unsafe fn around(work: &mut dyn FnMut()) {
    // SAFETY: passed on from the caller.
    unsafe { with_tiles(work) }
}

/// What the instructions do to the tile registers, by their numbers.
///
/// # Safety
/// Of each: the registers are configured, as [`with_tiles`] does, and 16 rows of 64 bytes at
/// the address can be read or written, `stride` bytes from each other.
pub(super) trait Tiles {
    /// `tilezero`
    unsafe fn zero<const T: u8>(&mut self);
    /// `tileloadd`
    unsafe fn load<const T: u8>(&mut self, from: *const u8, stride: usize);
    /// `tdpbusd`: each sum of C gains the products of four unsigned bytes of A and signed of B.
    unsafe fn multiply<const C: u8, const A: u8, const B: u8>(&mut self);
    /// `tilestored`
    unsafe fn store<const T: u8>(&mut self, to: *mut u8, stride: usize);
}

/// See [`Level::multiply`](super::dispatch::Level::multiply).
///
/// # Safety
/// The processor has AMX with int8, this runs inside of [`around`], and the tile is as [`Tile`]
/// says.
pub(super) unsafe fn multiply(t: &mut Tile<'_>) {
    // SAFETY: passed on from the caller; the processor has AVX-512 too, whose tiles have at least
    // this height.
    unsafe {
        if t.rows < FEWEST_ROWS {
            return super::avx512::multiply(t);
        }
        blocks(&mut Registers, t);
    }
}

/// Runs `work` with the tile registers configured, all of 16 rows of 64 bytes.
///
/// # Safety
/// The processor has AMX with int8, and the process may use it.
#[inline(always)]
pub(crate) unsafe fn with_tiles(work: impl FnOnce()) {
    // SAFETY: the configuration is a valid one of 64 bytes; else by the contract.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack, preserves_flags, readonly));
        work();
        asm!("tilerelease", options(nostack, preserves_flags, nomem));
    }
}

/// The sums of a tile of at most 32 rows.
///
/// # Safety
/// As the functions of [`Tiles`]; the tile is as [`Tile`] says.
pub(super) unsafe fn blocks(tiles: &mut impl Tiles, t: &mut Tile<'_>) {
    // SAFETY: passed on from the caller; the numbers of strips and panels are those matched.
    unsafe {
        match (t.rows > STRIP, t.panels == 2) {
            (false, false) => block::<1, 1>(tiles, t),
            (false, true) => block::<1, 2>(tiles, t),
            (true, false) => block::<2, 1>(tiles, t),
            (true, true) => block::<2, 2>(tiles, t),
        }
    }
}

/// # Safety
/// As [`blocks`]; the tile has `STRIPS` strips of 16 rows that have begun, and `PANELS` panels.
#[inline(always)]
unsafe fn block<const STRIPS: usize, const PANELS: usize>(
    tiles: &mut impl Tiles,
    t: &mut Tile<'_>,
) {
    let (stride, below) = (t.a_stride, STRIP * t.a_stride);
    // SAFETY: rows of A can be read up to a multiple of 16 and, like the panels, for k up to a
    // multiple of 64; the sums have 32 rows of 32.
    unsafe {
        tiles.zero::<0>();
        tiles.zero::<1>();
        tiles.zero::<2>();
        tiles.zero::<3>();
        for step in 0..t.k.div_ceil(DEPTH) {
            let a = t.a.add(step * DEPTH);
            tiles.load::<4>(a, stride);
            tiles.load::<6>(t.b[0].add(step * STEP), LINE);
            tiles.multiply::<0, 4, 6>();
            if PANELS == 2 {
                tiles.load::<7>(t.b[1].add(step * STEP), LINE);
                tiles.multiply::<1, 4, 7>();
            }
            if STRIPS == 2 {
                tiles.load::<5>(a.add(below), stride);
                tiles.multiply::<2, 5, 6>();
                if PANELS == 2 {
                    tiles.multiply::<3, 5, 7>();
                }
            }
        }
        let sums = t.sums.0.as_mut_ptr().cast::<u8>();
        let row = SUMS * size_of::<i32>();
        let right = PANEL * size_of::<i32>();
        tiles.store::<0>(sums, row);
        tiles.store::<1>(sums.add(right), row);
        tiles.store::<2>(sums.add(STRIP * row), row);
        tiles.store::<3>(sums.add(STRIP * row + right), row);
    }
}

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    column_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Eight tiles of 16 rows of 64 bytes.
static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    column_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

const _: () = assert!(size_of::<Configuration>() == LINE);

/// The processor's tile registers. The compiler does not use them for anything of its own, as
/// nothing is compiled with AMX enabled, so they keep their values from one statement to the next.
struct Registers;

impl Tiles for Registers {
    #[inline(always)]
    unsafe fn zero<const T: u8>(&mut self) {
        // SAFETY: by the contract of the trait.
        unsafe { asm!("tilezero tmm{}", const T, options(nostack, preserves_flags, nomem)) }
    }

    #[inline(always)]
    unsafe fn load<const T: u8>(&mut self, from: *const u8, stride: usize) {
        // SAFETY: by the contract of the trait.
        unsafe {
            asm!(
                "tileloadd tmm{}, [{} + {}*1]", const T, in(reg) from, in(reg) stride,
                options(nostack, preserves_flags, readonly)
            );
        }
    }

    #[inline(always)]
    unsafe fn multiply<const C: u8, const A: u8, const B: u8>(&mut self) {
        // SAFETY: by the contract of the trait.
        unsafe {
            asm!(
                "tdpbusd tmm{}, tmm{}, tmm{}", const C, const A, const B,
                options(nostack, preserves_flags, nomem)
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const T: u8>(&mut self, to: *mut u8, stride: usize) {
        // SAFETY: by the contract of the trait.
        unsafe {
            asm!(
                "tilestored [{} + {}*1], tmm{}", in(reg) to, in(reg) stride, const T,
                options(nostack, preserves_flags)
            );
        }
    }
}
