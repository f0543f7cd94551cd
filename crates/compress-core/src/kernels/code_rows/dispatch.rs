//! What multiplies each form at a level.

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::layout::{CodeRows, Form};
use super::reference;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::kernels::levels::Compiled;

/// The product; lengths have been checked.
#[inline]
pub(super) fn multiply(isa: Isa, rows: &CodeRows, x: &[f32], relu: bool, y: &mut [f32]) {
    match rows.form {
        #[cfg(target_arch = "x86_64")]
        Form::Scattered if Compiled::of(isa) == Compiled::Avx512 => {
            // SAFETY: `Compiled::of` returns only what this processor has.
            unsafe { avx512::scattered(rows, x, relu, y) }
        }
        Form::Scattered => reference::scattered_at(isa, rows, x, relu, y),
        Form::Dense => reference::dense_at(isa, rows, x, relu, y),
    }
}
