//! The vectors of a level.

/// A vector of f32 whose lanes are different outputs.
///
/// # Safety
/// Every method: the processor has the level that the vector belongs to, and the pointers are
/// valid for [`Lanes::COUNT`] elements.
pub(super) trait Lanes: Copy {
    const COUNT: usize;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self·b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// +0 where an element is not above zero; NaN stays.
    unsafe fn relu(self) -> Self;
    /// Four elements, over and over.
    unsafe fn fours(from: *const f32) -> Self;
    /// In each lane, of the four elements beside it the one at the place that two bits of `places`
    /// name: those of lane 0 are bits `2·first` and `2·first + 1`.
    unsafe fn pick(self, places: u32, first: usize) -> Self;
}
