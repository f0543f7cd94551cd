//! One safe body, compiled at every level.
//!
//! The elementary functions and reductions are written once, as plain loops. The compiler turns
//! the same loop into vectors of 4, 8 or 16 lanes, and it never contracts a multiplication and
//! an addition into one operation or reorders floating-point arithmetic, so all of them give the
//! same bits. What is left to do by hand is to compile the loop with each level's instructions
//! and to pick one at run time, and that is [`by_level`].

use crate::isa::Isa;

/// Defines `fn name(isa: Isa, …)` from an `#[inline(always)]` body that takes the same
/// arguments: compiled with AVX-512, with AVX2 and FMA, with FMA alone (so that `mul_add` is one
/// instruction at the scalar level too, and not a call), and with nothing at all.
///
/// ```text
/// by_level! {
///     /// `x = max(x, 0)`.
///     pub(crate) fn relu_at(x: &mut [f32]) = relu_body;
/// }
/// relu_at(Isa::active()?, &mut values);
/// ```
macro_rules! by_level {
    ($(
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $output:ty)?
            = $body:path;
    )*) => {$(
        $(#[$meta])*
        $visibility fn $name(isa: $crate::isa::Isa, $($argument: $kind),*) $(-> $output)? {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::levels::Compiled;
                #[target_feature(enable = "fma")]
                fn fma($($argument: $kind),*) $(-> $output)? {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $kind),*) $(-> $output)? {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($argument: $kind),*) $(-> $output)? {
                    $body($($argument),*)
                }
                match Compiled::of(isa) {
                    // SAFETY: `Compiled::of` returns only what this processor has.
                    Compiled::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    Compiled::Avx2 => return unsafe { avx2($($argument),*) },
                    // SAFETY: as above.
                    Compiled::Fma => return unsafe { fma($($argument),*) },
                    Compiled::Plain => {}
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = isa;
            $body($($argument),*)
        }
    )*};
}
pub(crate) use by_level;

/// What [`by_level`] compiles a body for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiled {
    /// What every processor of the architecture has.
    Plain,
    /// With FMA.
    Fma,
    /// With AVX2 and FMA.
    Avx2,
    /// With AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Compiled {
    /// The variant that serves `isa`; never one that this processor lacks, whatever `isa` says.
    pub(crate) fn of(isa: Isa) -> Self {
        if isa >= Isa::Avx512 && Isa::Avx512.is_available() {
            Compiled::Avx512
        } else if isa >= Isa::Avx2 && Isa::Avx2.is_available() {
            Compiled::Avx2
        } else if has_fma() {
            Compiled::Fma
        } else {
            Compiled::Plain
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_fma() -> bool {
    is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_fma() -> bool {
    false
}
