//! The instruction set levels, found at run time.
//!
//! Every level gives the same bits; they differ only in speed. The environment variable
//! `COMPRESS_ISA` forces a level, so that each can be tested. Asking for a level that the machine
//! lacks is an error, never a silent fallback.

use std::sync::OnceLock;

use crate::{Error, Result};

/// An instruction set level; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain code that runs on any machine: the specification of the others.
    Scalar,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and VNNI.
    Avx512,
    /// AMX tiles with int8, where the system lets the process use them.
    Amx,
}

impl Isa {
    /// All levels, lowest first.
    pub const ALL: [Isa; 4] = [Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Amx];

    /// Its name in `COMPRESS_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Amx => "amx",
        }
    }

    /// Whether this machine has the level.
    pub fn is_available(self) -> bool {
        self <= best()
    }

    /// Fails where this machine lacks the level that `what` is to run at.
    pub(crate) fn require(self, what: &str) -> Result<()> {
        if self.is_available() {
            return Ok(());
        }
        let what = format!("level of {what}");
        Err(Error::invalid(
            what,
            self.name(),
            "one that this processor has",
        ))
    }

    /// The levels that this machine has, lowest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The level that kernels run at: what `COMPRESS_ISA` says, else the best of the machine.
    /// Read once per process.
    ///
    /// # Errors
    /// [`Error::Isa`] where `COMPRESS_ISA` names no level or one that the machine lacks.
    pub fn active() -> Result<Isa> {
        static ACTIVE: OnceLock<Result<Isa, Box<(String, String)>>> = OnceLock::new();
        let active = ACTIVE.get_or_init(|| match std::env::var("COMPRESS_ISA") {
            Ok(name) => requested(&name).map_err(|reason| Box::new((name, reason))),
            Err(std::env::VarError::NotPresent) => Ok(best()),
            Err(error) => Err(Box::new((String::new(), error.to_string()))),
        });
        match active {
            Ok(isa) => Ok(*isa),
            Err(fault) => Err(Error::Isa {
                requested: fault.0.clone(),
                reason: fault.1.clone(),
                available: names(Isa::available()),
            }),
        }
    }
}

fn names(levels: impl Iterator<Item = Isa>) -> String {
    levels.map(Isa::name).collect::<Vec<_>>().join(", ")
}

fn requested(name: &str) -> Result<Isa, String> {
    match Isa::ALL.into_iter().find(|isa| isa.name() == name) {
        None => Err(format!(
            "no such level; the levels are {}",
            names(Isa::ALL.into_iter())
        )),
        Some(isa) if isa.is_available() => Ok(isa),
        Some(_) => Err("this processor lacks it".into()),
    }
}

/// The highest level of this machine.
fn best() -> Isa {
    static BEST: OnceLock<Isa> = OnceLock::new();
    *BEST.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    match (avx2, avx512) {
        (_, true) if has_amx() => Isa::Amx,
        (_, true) => Isa::Avx512,
        (true, _) => Isa::Avx2,
        _ => Isa::Scalar,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Scalar
}

/// Whether the processor has tiles and int8 products on them, and Linux grants them.
#[cfg(target_arch = "x86_64")]
fn has_amx() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    /// EDX of leaf 7: tiles, and int8 products on them.
    const TILE_AND_INT8: u32 = (1 << 24) | (1 << 25);
    __cpuid(0).eax >= 7
        && __cpuid_count(7, 0).edx & TILE_AND_INT8 == TILE_AND_INT8
        && request_tiles()
}

/// Asks Linux for the tile registers, which a process must do once before it touches them
/// (`arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`; the kernel's `Documentation/arch/x86/
/// xstate.rst`). The standard library has no such call, and one call is not worth a dependency.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn request_tiles() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let result: i64;
    // SAFETY: the call reads and writes no memory of the process; `syscall` itself overwrites
    // rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall", inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            lateout("rcx") _, lateout("r11") _, options(nostack)
        );
    }
    result == 0
}

/// How other systems grant the tiles is not known, so AMX is not used there.
#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn request_tiles() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_is_always_there_and_levels_nest() {
        let available: Vec<_> = Isa::available().collect();
        assert_eq!(available[0], Isa::Scalar);
        assert_eq!(available, Isa::ALL[..available.len()]);
    }

    #[test]
    fn an_unknown_level_is_refused() {
        assert!(requested("sse9").unwrap_err().contains("avx512"));
        assert_eq!(requested("scalar"), Ok(Isa::Scalar));
    }

    #[test]
    fn a_level_that_the_machine_lacks_is_refused() {
        for isa in Isa::ALL {
            assert_eq!(requested(isa.name()).is_ok(), isa.is_available());
        }
    }
}
