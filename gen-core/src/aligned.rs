//! Bytes of a model at an address that [`Model::parse`](crate::Model::parse) accepts.
//!
//! | place of the bytes | use |
//! |---|---|
//! | part of the program | [`include_aligned!`](crate::include_aligned), or [`Aligned`] around an array |
//! | on the heap of a host, such as in a `Vec<u8>` | `aligned`, with the feature `alloc` |
//! | in flash or external memory, separate from the program | an address that the linker script aligns: `. = ALIGN(16);` |

use core::fmt;
#[cfg(feature = "alloc")]
use core::ops::Deref;

#[cfg(feature = "alloc")]
use alloc::{borrow::Cow, vec::Vec};

/// A model begins at an address that is a multiple of this, in bytes, on every machine: kernels read weights in
/// 32-bit words.
pub const ADDRESS_ALIGNMENT: usize = 4;

/// A value at an address that is a multiple of 16, as are the sections within a model.
///
/// ```
/// use gen_core::Aligned;
///
/// static BYTES: Aligned<[u8; 3]> = Aligned([1, 2, 3]);
/// assert!(BYTES.0.as_ptr().addr().is_multiple_of(16));
/// ```
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// Prints the size: the value may be a whole model.
impl<T: ?Sized> fmt::Debug for Aligned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aligned({} bytes)", size_of_val(&self.0))
    }
}

/// [`include_bytes!`] at an address that [`Model::parse`](crate::Model::parse) accepts: a `&'static [u8]`.
///
/// ```
/// use gen_core::{Model, include_aligned};
///
/// static MODEL: &[u8] = include_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
/// assert_eq!(Model::parse(MODEL)?.name(), "tiny");
/// # Ok::<(), gen_core::ParseError>(())
/// ```
#[macro_export]
macro_rules! include_aligned {
    ($path:expr $(,)?) => {{
        const BYTES: &$crate::Aligned<[u8]> = &$crate::Aligned(*::core::include_bytes!($path));
        &BYTES.0
    }};
}

/// The given bytes, or a copy of them if [`Model::parse`](crate::Model::parse) would not accept their address. Takes a
/// slice, or a `Vec<u8>`, which the result owns.
///
/// An allocator does not promise an alignment for a `Vec<u8>`, although most have one.
///
/// ```
/// use gen_core::{Model, aligned};
///
/// let bytes = aligned(std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"))?);
/// let model = Model::parse(&bytes)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "alloc")]
pub fn aligned<'a>(bytes: impl Into<Cow<'a, [u8]>>) -> AlignedBytes<'a> {
    const { assert!(align_of::<u32>() >= ADDRESS_ALIGNMENT) };
    let bytes = bytes.into();
    if bytes.as_ptr().addr().is_multiple_of(ADDRESS_ALIGNMENT) {
        return AlignedBytes(Place::Here(bytes));
    }
    let mut words = alloc::vec![0u32; bytes.len().div_ceil(size_of::<u32>())];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
    AlignedBytes(Place::Copy(words, bytes.len()))
}

/// The result of [`aligned`]: a slice of bytes.
#[cfg(feature = "alloc")]
pub struct AlignedBytes<'a>(Place<'a>);

#[cfg(feature = "alloc")]
enum Place<'a> {
    Here(Cow<'a, [u8]>),
    /// With the number of bytes.
    Copy(Vec<u32>, usize),
}

#[cfg(feature = "alloc")]
impl Deref for AlignedBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Here(bytes) => bytes,
            Place::Copy(words, len) => &bytemuck::cast_slice(words)[..*len],
        }
    }
}

/// Prints the number of bytes, and whether they were copied.
#[cfg(feature = "alloc")]
impl fmt::Debug for AlignedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if matches!(self.0, Place::Here(_)) { "" } else { ", a copy" };
        write!(f, "AlignedBytes({} bytes{place})", self.len())
    }
}
