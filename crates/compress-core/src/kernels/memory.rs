//! Memory of the sizes that a caller's shapes ask for: an error where there is not as much, as for a
//! view of a few elements that repeats them 2⁶⁰ times.

use std::alloc::{Layout, alloc_zeroed};

use ndarray::{Array, Array2, ArrayView, ArrayViewMut, CowArray, Dimension};

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

/// A number that zero bits stand for as 0.
///
/// # Safety
/// All bits zero must be a value of the type.
pub(crate) unsafe trait Number {}

// SAFETY: zero bits are 0.
unsafe impl Number for f32 {}
// SAFETY: as for f32.
unsafe impl Number for f64 {}

/// `length` zeros, of pages that are not touched yet; none where memory does not hold them.
pub(crate) fn zeros<T: Number>(length: Option<usize>) -> Option<Vec<T>> {
    let length = length?;
    let layout = layout::<T>(length)?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the layout has a size.
    let start = unsafe { alloc_zeroed(layout) }.cast::<T>();
    // SAFETY: the allocator of vectors gave room for `length` elements, and zero bits are a `T`.
    (!start.is_null()).then(|| unsafe { Vec::from_raw_parts(start, length, length) })
}

/// `length` copies of `value`. `what` names them in the error.
///
/// # Errors
/// Where memory does not hold them.
pub fn filled<T: Clone>(what: &str, length: usize, value: T) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let grown = grow(&mut values, Some(length), value);
    grown.ok_or_else(|| too_large(what, &[length]))?;
    Ok(values)
}

/// A matrix of zeros. `what` names it in the error.
///
/// # Errors
/// Where memory does not hold it.
pub fn zero_matrix(what: &str, (rows, columns): (usize, usize)) -> Result<Array2<f32>> {
    let values = zeros(product([rows, columns]));
    let values = values.ok_or_else(|| too_large(what, &[rows, columns]))?;
    Array2::from_shape_vec((rows, columns), values).map_err(Error::other)
}

/// An array in row-major order: the view itself where it is, else a copy. `what` names it in the
/// error.
///
/// # Errors
/// Where memory does not hold a copy.
pub fn row_major<'a, D: Dimension>(
    what: &str,
    view: ArrayView<'a, f32, D>,
) -> Result<CowArray<'a, f32, D>> {
    if view.is_standard_layout() {
        return Ok(view.into());
    }
    let (shape, length) = (view.raw_dim(), view.len());
    let mut values = Vec::new();
    let room = layout::<f32>(length).and_then(|_| values.try_reserve_exact(length).ok());
    room.ok_or_else(|| too_large(what, view.shape()))?;
    let to = ArrayViewMut::from_shape(shape.clone(), &mut values.spare_capacity_mut()[..length]);
    view.assign_to(to.map_err(Error::other)?);
    // SAFETY: each of the elements was just written.
    unsafe { values.set_len(length) };
    let copy = Array::from_shape_vec(shape, values).map_err(Error::other)?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use ndarray::arr0;

    use super::*;

    #[test]
    fn what_no_memory_holds_is_refused() {
        for length in [None, Some(usize::MAX), Some(1 << 60), Some(1 << 46)] {
            assert!(zeros::<f64>(length).is_none());
            assert!(grow(&mut vec![1.0], length, 0.0).is_none());
        }
        let one = arr0(1.0);
        let huge = one.broadcast((1 << 40, 1 << 20)).unwrap();
        let error = row_major("B", huge).unwrap_err().to_string();
        assert!(error.contains("B is [1099511627776, 1048576]"), "{error}");
    }

    #[test]
    fn what_memory_holds_is_given() {
        assert_eq!(zeros::<f64>(Some(0)), Some(vec![]));
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
