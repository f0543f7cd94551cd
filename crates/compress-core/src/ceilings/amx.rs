//! Products of tiles of int8, in inline assembly: Rust has no stable intrinsics for them yet.

use std::arch::asm;

use crate::kernels::gemm_i8::amx::with_tiles;

/// Operations of one `tdpbssd` on whole tiles: 16 × 16 sums of 64 products each.
const OPERATIONS: u64 = 2 * 16 * 16 * 64;

/// Accumulators side by side: at 16 cycles an instruction they hide its latency of 52.
const ACCUMULATORS: u64 = 4;

/// See [`super::amx_i8`]. Works on zeros: the time does not depend on the values.
///
/// # Safety
/// The processor has AMX with int8, and the system lets the process use it.
pub(super) unsafe fn products_i8(rounds: u32) -> u64 {
    if rounds == 0 {
        return 0;
    }
    // SAFETY: the tiles are configured, set before they are used, and named as overwritten.
    // `rounds` is not 0, so the loop ends.
    let products = || unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "tilezero tmm4",
            "tilezero tmm5",
            "tilezero tmm6",
            "tilezero tmm7",
            "2:",
            "tdpbssd tmm0, tmm4, tmm6",
            "tdpbssd tmm1, tmm4, tmm7",
            "tdpbssd tmm2, tmm5, tmm6",
            "tdpbssd tmm3, tmm5, tmm7",
            "dec {rounds:e}",
            "jnz 2b",
            rounds = inout(reg) rounds => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, nomem),
        );
    };
    // SAFETY: passed on from the caller.
    unsafe { with_tiles(products) };
    u64::from(rounds) * ACCUMULATORS * OPERATIONS
}
