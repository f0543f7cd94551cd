//! What has named tensors: the one capability that every model offers.

mod kept;

pub use kept::Kept;

use ndarray::{ArrayViewMut, Dimension};

use crate::tensor::{Role, TensorMut, TensorRef};
use crate::{Error, Result};

/// What is called with a tensor to read.
pub type See<'f> = dyn FnMut(TensorRef<'_>) -> Result<()> + 'f;

/// What is called with a tensor to change.
pub type Change<'f> = dyn FnMut(TensorMut<'_>) -> Result<()> + 'f;

/// A model as its named tensors. Each has a name of its own, and their order never changes.
///
/// It is a visitor, so that arrays in memory, a file that is read tensor by tensor and a network
/// can all lend theirs one by one.
///
/// # Examples
///
/// A struct of arrays lends its arrays:
///
/// ```
/// use compress_core::parameters::{Change, Parameters, See};
/// use compress_core::tensor::{Role, TensorMut, TensorRef};
/// use ndarray::{Array4, Array1};
///
/// struct Convolution {
///     weight: Array4<f32>, // [out_channels, in_channels, kh, kw]
///     bias: Array1<f32>,
/// }
///
/// impl Parameters for Convolution {
///     fn visit(&self, see: &mut See<'_>) -> compress_core::Result<()> {
///         let (name, role) = ("conv.weight", Role::Weight);
///         let values = self.weight.as_slice().expect("row-major");
///         see(TensorRef { name, role, shape: self.weight.shape(), values })?;
///         let (name, role) = ("conv.bias", Role::Bias);
///         let values = self.bias.as_slice().expect("row-major");
///         see(TensorRef { name, role, shape: self.bias.shape(), values })
///     }
///
///     fn visit_mut(&mut self, change: &mut Change<'_>) -> compress_core::Result<()> {
///         let (name, role, shape) = ("conv.weight", Role::Weight, self.weight.shape().to_vec());
///         let values = self.weight.as_slice_mut().expect("row-major");
///         change(TensorMut { name, role, shape: &shape, values })?;
///         let (name, role, shape) = ("conv.bias", Role::Bias, self.bias.shape().to_vec());
///         let values = self.bias.as_slice_mut().expect("row-major");
///         change(TensorMut { name, role, shape: &shape, values })
///     }
/// }
///
/// let mut model = Convolution { weight: Array4::ones((16, 3, 3, 3)), bias: Array1::zeros(16) };
/// assert_eq!(compress_core::parameters::names(&model)?, ["conv.weight", "conv.bias"]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// For arrays without a struct there is [`Lent`].
pub trait Parameters {
    /// Shows each tensor, in order.
    ///
    /// # Errors
    /// The first error of `see`, or that a tensor cannot be read.
    fn visit(&self, see: &mut See<'_>) -> Result<()>;

    /// Lends each tensor, in the same order, to change its values.
    ///
    /// # Errors
    /// The first error of `change`, or that a tensor cannot be read or written.
    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()>;
}

/// The names of all tensors, in order.
///
/// # Errors
/// Those of the model.
pub fn names<P: Parameters + ?Sized>(model: &P) -> Result<Vec<String>> {
    let mut names = Vec::new();
    model.visit(&mut |tensor| {
        names.push(tensor.name.to_owned());
        Ok(())
    })?;
    Ok(names)
}

/// How many values all tensors have together.
///
/// # Errors
/// Those of the model.
pub fn count<P: Parameters + ?Sized>(model: &P) -> Result<usize> {
    let mut count = 0;
    model.visit(&mut |tensor| {
        count += tensor.values.len();
        Ok(())
    })?;
    Ok(count)
}

/// What `read` makes of the tensor `name`.
///
/// # Errors
/// [`Error::UnknownTensor`] where there is none; those of the model and of `read`.
pub fn with<P: Parameters + ?Sized, T>(
    model: &P,
    name: &str,
    read: impl FnOnce(TensorRef<'_>) -> Result<T>,
) -> Result<T> {
    let (mut read, mut found) = (Some(read), None);
    model.visit(&mut |tensor| {
        if tensor.name == name
            && let Some(read) = read.take()
        {
            tensor.check()?;
            found = Some(read(tensor)?);
        }
        Ok(())
    })?;
    match found {
        Some(found) => Ok(found),
        None => Err(unknown(model, name)),
    }
}

/// What `change` makes of the tensor `name`, whose values it may change.
///
/// # Errors
/// As [`with`].
pub fn with_mut<P: Parameters + ?Sized, T>(
    model: &mut P,
    name: &str,
    change: impl FnOnce(TensorMut<'_>) -> Result<T>,
) -> Result<T> {
    let (mut change, mut found) = (Some(change), None);
    model.visit_mut(&mut |tensor| {
        if tensor.name == name
            && let Some(change) = change.take()
        {
            tensor.as_ref().check()?;
            found = Some(change(tensor)?);
        }
        Ok(())
    })?;
    match found {
        Some(found) => Ok(found),
        None => Err(unknown(model, name)),
    }
}

/// A copy of the values of the tensor `name`.
///
/// # Errors
/// As [`with`].
pub fn values<P: Parameters + ?Sized>(model: &P, name: &str) -> Result<Vec<f32>> {
    with(model, name, |tensor| Ok(tensor.values.to_vec()))
}

/// The error for a tensor that `model` does not have.
pub fn unknown<P: Parameters + ?Sized>(model: &P, name: &str) -> Error {
    Error::UnknownTensor {
        name: name.to_owned(),
        known: names(model).unwrap_or_default().join(", "),
    }
}

/// Arrays that a caller lends under names of their own, for callers without a model.
///
/// # Examples
/// ```
/// use compress_core::parameters::Lent;
/// use ndarray::Array4;
///
/// let mut weight = Array4::<f32>::ones((16, 3, 3, 3));
/// let model = Lent::new().weight("conv.weight", weight.view_mut())?;
/// assert_eq!(compress_core::parameters::count(&model)?, 432);
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Lent<'a> {
    tensors: Vec<(String, Role, Vec<usize>, &'a mut [f32])>,
}

impl<'a> Lent<'a> {
    /// Without arrays.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more weight, of any rank.
    ///
    /// # Errors
    /// As [`Lent::tensor`].
    pub fn weight<D: Dimension>(self, name: &str, array: ArrayViewMut<'a, f32, D>) -> Result<Self> {
        self.tensor(name, Role::Weight, array)
    }

    /// With one more tensor.
    ///
    /// # Errors
    /// Where the name is taken, or the array is not contiguous and row-major: change a copy in
    /// standard layout, and assign it.
    pub fn tensor<D: Dimension>(
        mut self,
        name: &str,
        role: Role,
        array: ArrayViewMut<'a, f32, D>,
    ) -> Result<Self> {
        if self.tensors.iter().any(|(known, ..)| known == name) {
            return Err(Error::invalid("a tensor's name", name, "unique"));
        }
        let shape = array.shape().to_vec();
        let Some(values) = array.into_slice() else {
            let expected = "contiguous and row-major";
            return Err(Error::invalid(
                format!("layout of {name}"),
                "strided",
                expected,
            ));
        };
        self.tensors.push((name.to_owned(), role, shape, values));
        Ok(self)
    }
}

impl Parameters for Lent<'_> {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.tensors
            .iter()
            .try_for_each(|(name, role, shape, values)| {
                see(TensorRef {
                    name,
                    role: *role,
                    shape,
                    values,
                })
            })
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        let tensors = self.tensors.iter_mut();
        tensors
            .into_iter()
            .try_for_each(|(name, role, shape, values)| {
                change(TensorMut {
                    name,
                    role: *role,
                    shape,
                    values,
                })
            })
    }
}

#[cfg(test)]
mod tests;
