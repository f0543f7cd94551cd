//! Memory of the sizes that a caller's shapes ask for: an error where there is not as much, as for a
//! view of a few elements that repeats them 2⁶⁰ times.

use std::alloc::{Layout, alloc_zeroed};

use ndarray::{Array2, ArrayView2, ArrayViewMut2, CowArray, Ix2};

use crate::{Error, Result};

/// More bytes than this are refused unasked: no process has as many addresses.
const MOST: u64 = 1 << 47;

/// The product of some sizes; none where it is beyond `usize`.
pub(crate) fn product<const N: usize>(sizes: [usize; N]) -> Option<usize> {
    sizes.into_iter().try_fold(1usize, usize::checked_mul)
}

/// The error for an operand of this shape that memory does not hold.
pub(crate) fn too_large(what: &str, shape: &[usize]) -> Error {
    Error::invalid(
        format!("shape of {what}"),
        format!("{shape:?}"),
        "small enough for memory",
    )
}

/// The layout of some elements, if a process can have as many.
fn layout<T>(length: usize) -> Option<Layout> {
    let layout = Layout::array::<T>(length).ok()?;
    (layout.size() as u64 <= MOST).then_some(layout)
}

/// Makes `buffer` at least `length` long; none where memory does not hold that.
pub(crate) fn grow<T: Clone>(buffer: &mut Vec<T>, length: Option<usize>, value: T) -> Option<()> {
    let length = length?;
    layout::<T>(length)?;
    if buffer.len() < length {
        buffer.try_reserve_exact(length - buffer.len()).ok()?;
        buffer.resize(length, value);
    }
    Some(())
}

/// `length` zeros, of pages that are not touched yet; none where memory does not hold them.
pub(crate) fn zeros(length: Option<usize>) -> Option<Vec<f64>> {
    let length = length?;
    let layout = layout::<f64>(length)?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the layout has a size.
    let start = unsafe { alloc_zeroed(layout) }.cast::<f64>();
    // SAFETY: the allocator of vectors gave room for `length` elements, and zero bits are 0.
    (!start.is_null()).then(|| unsafe { Vec::from_raw_parts(start, length, length) })
}

/// A matrix row by row: the view itself where it is, else a copy.
///
/// # Errors
/// Where memory does not hold a copy.
pub(crate) fn row_major<'a>(
    what: &str,
    view: ArrayView2<'a, f32>,
) -> Result<CowArray<'a, f32, Ix2>> {
    if view.is_standard_layout() {
        return Ok(view.into());
    }
    let mut values = Vec::new();
    let room = layout::<f32>(view.len()).and_then(|_| values.try_reserve_exact(view.len()).ok());
    room.ok_or_else(|| too_large(what, view.shape()))?;
    let to = ArrayViewMut2::from_shape(view.dim(), &mut values.spare_capacity_mut()[..view.len()]);
    view.assign_to(to.map_err(Error::other)?);
    // SAFETY: each of the elements was just written.
    unsafe { values.set_len(view.len()) };
    let copy = Array2::from_shape_vec(view.dim(), values).map_err(Error::other)?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use ndarray::arr0;

    use super::*;

    #[test]
    fn what_no_memory_holds_is_refused() {
        for length in [None, Some(usize::MAX), Some(1 << 60), Some(1 << 46)] {
            assert!(zeros(length).is_none());
            assert!(grow(&mut vec![1.0], length, 0.0).is_none());
        }
        let one = arr0(1.0);
        let huge = one.broadcast((1 << 40, 1 << 20)).unwrap();
        let error = row_major("B", huge).unwrap_err().to_string();
        assert!(error.contains("B is [1099511627776, 1048576]"), "{error}");
    }

    #[test]
    fn what_memory_holds_is_given() {
        assert_eq!(zeros(Some(0)), Some(vec![]));
        assert_eq!(zeros(Some(3)), Some(vec![0.0; 3]));
        let mut buffer = vec![1];
        assert_eq!(grow(&mut buffer, Some(3), 2), Some(()));
        assert_eq!(grow(&mut buffer, Some(1), 7), Some(()));
        assert_eq!(buffer, [1, 2, 2]);
        let matrix = Array2::from_shape_fn((5, 7), |(i, j)| (10 * i + j) as f32);
        let copy = row_major("a transpose", matrix.t()).unwrap();
        assert!(copy.is_standard_layout() && copy == matrix.t());
        assert!(row_major("itself", matrix.view()).unwrap().is_view());
    }
}
