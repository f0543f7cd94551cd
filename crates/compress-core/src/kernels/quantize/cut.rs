//! Arrays that are cut along with a part of a tensor.

/// An array that goes along with a [`Part`](super::part::Part).
pub(super) trait Cut: Sized + Send {
    /// What lies before `at`, and the rest.
    fn cut(self, at: usize) -> (Self, Self);
}

impl Cut for &[f32] {
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at(at)
    }
}

impl Cut for &mut [f32] {
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}
