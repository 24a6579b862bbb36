//! The classes of a model: what a picture can show.

use core::fmt;

use crate::latent::ClassMix;
use crate::no_panic::subslice;

/// The classes of a [`Model`](crate::Model), in the bytes of its file: their names, and the numbers that stand for each
/// class at the input of the first layer. Empty for a model without classes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes<'a> {
    /// The names in postcard: each is its length, and its bytes in UTF-8. The parser has checked them.
    names: &'a [u8],
    /// `[class][width]`
    rows: &'a [i8],
    width: u8,
    count: u8,
}

/// The names, without the numbers.
impl fmt::Debug for Classes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl<'a> Classes<'a> {
    /// Classes of a file: `names` in postcard, and `rows`, `width` numbers for each of `count` classes.
    pub(super) fn new(names: &'a [u8], rows: &'a [i8], width: u8, count: u8) -> Self {
        Self { names, rows, width, count }
    }

    /// How many there are: 0, or 2 to [`MAX_CLASSES`](crate::spec::MAX_CLASSES).
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// Whether the model has no classes.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many numbers a class has at the input of the first layer; 0 without classes.
    pub fn width(&self) -> usize {
        self.width.into()
    }

    /// The names, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.names;
        core::iter::from_fn(move || {
            let (name, left) = postcard::take_from_bytes(rest).ok()?;
            rest = left;
            Some(name)
        })
    }

    /// The name of a class; `None` past the last one.
    pub fn name(&self, class: u8) -> Option<&'a str> {
        self.names().nth(class.into())
    }

    /// The number of the class with this name: the same name, or else the first that differs only in the case of its
    /// ASCII letters; `None` if there is none.
    pub fn find(&self, name: &str) -> Option<u8> {
        let place = self.names().position(|other| other == name);
        let place = place.or_else(|| self.names().position(|other| other.eq_ignore_ascii_case(name)));
        place.and_then(|class| u8::try_from(class).ok())
    }

    /// The numbers of a class, in steps of [`Latent::SCALE`](crate::Latent::SCALE). Past the last class those of the
    /// last one; without classes none.
    pub fn row(&self, class: u8) -> &'a [i8] {
        let (width, last) = (self.width(), self.count.saturating_sub(1));
        let start = usize::from(class.min(last)) * width;
        subslice(self.rows, start..start + width)
    }

    /// The numbers of a mixture, as [`ClassMix::number`] computes them: [`width`](Self::width) of them.
    pub fn numbers(&self, class: ClassMix) -> impl Iterator<Item = i8> + use<'a> {
        let (from, to, _) = class.parts();
        self.row(from).iter().zip(self.row(to)).map(move |(&from, &to)| class.number(from, to))
    }
}
