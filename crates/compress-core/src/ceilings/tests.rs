//! The work is what it says it is, and is refused where the machine cannot do it.

use super::*;

#[test]
fn operations_grow_with_the_rounds_wherever_the_level_is_there() {
    for isa in Isa::ALL {
        let done = fma_f32(isa, 10);
        assert_eq!(done.is_some(), isa.is_available() && isa != Isa::Scalar);
        assert_eq!(done.map(|d| 3 * d), fma_f32(isa, 30), "{isa:?}");
        let halves = fma_f64(isa, 10).map(|d| 2 * d);
        assert_eq!(halves, done, "{isa:?}: half as many lanes");
    }
    type Work = fn(u32) -> Option<u64>;
    for (work, isa) in [
        (widening_i8 as Work, Isa::Avx2),
        (vnni_i8 as Work, Isa::Avx512),
    ] {
        assert_eq!(work(10).is_some(), isa.is_available());
        assert_eq!(work(10).map(|d| 3 * d), work(30));
        assert_eq!(work(0).unwrap_or(0), 0);
    }
}

#[test]
fn tiles_are_refused_where_they_are_missing() {
    assert_eq!(amx_i8(10).is_some(), Isa::Amx.is_available());
    assert_eq!(amx_i8(10).map(|d| 3 * d), amx_i8(30));
}

#[test]
fn nothing_is_left_unread() {
    for len in [0, 1, 31, 32, 33, 64, 100, 1000] {
        let mut data: Vec<u64> = (0..len).map(|i| i * i + 1).collect();
        for isa in Isa::available() {
            assert_eq!(read_at(isa, &data), wrapping_sum(&data), "{isa:?} {len}");
        }
        if let Some(last) = data.last_mut() {
            *last = u64::MAX;
        }
        assert_eq!(read(&data).unwrap(), wrapping_sum(&data));
    }
}

#[test]
fn a_copy_is_a_copy_and_lengths_must_agree() {
    let mut to = [0; 3];
    copy(&[1, 2, 3], &mut to).unwrap();
    assert_eq!(to, [1, 2, 3]);
    assert!(copy(&[1, 2], &mut to).is_err());
}

#[test]
fn every_value_is_changed_once() {
    for isa in Isa::available() {
        let mut data: Vec<u64> = (0..100).collect();
        data[50] = u64::MAX;
        update_at(isa, &mut data);
        let changed = (0..100).map(|i| if i == 50 { 0 } else { i + 1 });
        assert_eq!(data, changed.collect::<Vec<_>>(), "{isa:?}");
    }
}
