//! The classes of a generator: their names, and the numbers that stand for each at its input.

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::format::ClassHeader;
use gen_core::spec::{MAX_CLASS_NAME, MAX_CLASSES};
use gen_core::{ClassMix, Latent, Model};
use ndarray::{Array2, ArrayViewMut2, s};

use crate::text::Plain;

/// Names and numbers of the classes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassTable {
    /// The name of each class, 2 to [`MAX_CLASSES`] of them.
    pub names: Vec<String>,
    /// The numbers of each class in steps of [`Latent::SCALE`], as the device reads them behind the latent;
    /// `[class, width]`.
    pub rows: Array2<i8>,
}

/// Checks names of classes: 2 to [`MAX_CLASSES`], each of 1 to [`MAX_CLASS_NAME`] bytes, no two the same.
///
/// # Errors
/// The first problem, in words.
pub fn check_names(names: &[String]) -> Result<()> {
    let count = names.len();
    ensure!((2..=MAX_CLASSES).contains(&count), "a model has 2 to {MAX_CLASSES} classes, and these are {count}");
    for (i, name) in names.iter().enumerate() {
        let bytes = name.len();
        ensure!(
            (1..=MAX_CLASS_NAME).contains(&bytes),
            "class {i} has a name of {bytes} bytes; 1 to {MAX_CLASS_NAME} are possible"
        );
        ensure!(!names[..i].contains(name), "two classes are called {name}");
    }
    Ok(())
}

/// The number of a class, by its name (as it is, or else without regard to case) or by its number.
///
/// # Errors
/// When there is none (the message lists all), or several that differ by case.
pub fn find_class(names: &[String], asked: &str) -> Result<u8> {
    ensure!(!names.is_empty(), "this model has no classes, so there is no {} to draw", Plain::text(asked));
    let mut alike = (0..names.len()).filter(|&i| names[i].to_lowercase() == asked.to_lowercase());
    let (first, second) = (alike.next(), alike.next());
    let exact = names.iter().position(|name| name == asked);
    if let (None, Some(one), Some(other)) = (exact, first, second) {
        bail!("{} can be {} or {}; write it as it is", Plain::text(asked), names[one], names[other]);
    }
    let place = exact.or(first).or_else(|| asked.parse().ok().filter(|&number| number < names.len()));
    let place = place.and_then(|place| u8::try_from(place).ok());
    place.with_context(|| {
        let all: Vec<_> = names.iter().map(|name| Plain::text(name).to_string()).collect();
        format!("there is no class {}; the classes are {}", Plain::text(asked), all.join(", "))
    })
}

impl ClassTable {
    /// The classes of a model; `None` if it has none.
    pub fn of(model: &Model<'_>) -> Option<Self> {
        let classes = model.classes();
        let numbers = (0..classes.len()).flat_map(|class| classes.row(class as u8)).copied().collect();
        let rows = Array2::from_shape_vec((classes.len(), classes.width()), numbers).ok()?;
        (!classes.is_empty()).then(|| Self { names: classes.names().map(str::to_owned).collect(), rows })
    }

    /// The classes as a model's header has them; `None` if a name is too long, or the classes are too many.
    pub fn header(&self) -> Option<ClassHeader> {
        let names = self.names.iter().map(|name| name.as_str().try_into().ok());
        let width = u8::try_from(self.width()).ok()?;
        (self.names.len() <= MAX_CLASSES).then_some(())?;
        Some(ClassHeader { width, names: names.collect::<Option<_>>()? })
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many numbers a class has.
    pub fn width(&self) -> usize {
        self.rows.ncols()
    }

    /// The numbers of each class as real numbers; `[class, width]`.
    pub fn vectors(&self) -> Array2<f32> {
        self.rows.map(|&step| f32::from(step) * Latent::SCALE)
    }

    /// The number of a mixture at index `i`.
    fn number(&self, class: ClassMix, i: usize) -> i8 {
        let (from, to, _) = class.parts();
        let row = |class: u8| usize::from(class).min(self.len() - 1);
        class.number(self.rows[(row(from), i)], self.rows[(row(to), i)])
    }
}

/// What the first layer of a generator reads: the latent, and behind it the numbers of the class, if there are classes.
#[derive(Debug, Clone, Copy)]
pub struct GeneratorInput<'a> {
    /// Length of the latent.
    pub latent: usize,
    /// The classes.
    pub classes: Option<&'a ClassTable>,
}

/// The latents of a sheet with rows of `columns` pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetLatents {
    /// Row by row. With classes, each row has one class, in their order, and the same seeds.
    pub latents: Vec<Latent>,
    /// Pictures in a row.
    pub columns: usize,
}

impl SheetLatents {
    /// The latents of the seeds from `first` on for a generator with so many classes (0: none). Without classes there are
    /// `most`; with classes a row for each, of `columns` pictures, or fewer if there would be more than `most`.
    pub fn new(first: u32, latent: usize, classes: usize, columns: usize, most: u32) -> Self {
        if classes == 0 {
            let latents = (first..first + most).map(|seed| Latent::from_seed(seed, latent)).collect();
            return Self { latents, columns };
        }
        let columns = columns.min(most as usize / classes).max(1);
        let row = |class| {
            let seeds = first..first + columns as u32;
            seeds.map(move |seed| Latent::from_seed(seed, latent).with_class(class as u8))
        };
        Self { latents: (0..classes).flat_map(row).collect(), columns }
    }

    /// Those for a sheet of a model, from seed 0 on.
    pub fn of(model: &Model<'_>, columns: usize, most: u32) -> Self {
        Self::new(0, model.latent_len(), model.classes().len(), columns, most)
    }
}

/// The latent of a seed for a model, as [`GeneratorInput::latent_of`].
pub fn latent_of(model: &Model<'_>, seed: u32) -> Latent {
    latent_in_turn(seed, model.latent_len(), model.classes().len())
}

/// The latent of a seed, for the class whose turn it is among so many.
fn latent_in_turn(seed: u32, len: usize, classes: usize) -> Latent {
    Latent::from_seed(seed, len).with_class((seed as usize % classes.max(1)) as u8)
}

impl GeneratorInput<'_> {
    /// Number of inputs of the first layer.
    pub fn len(&self) -> usize {
        self.latent + self.classes.map_or(0, ClassTable::width)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The latent of a seed, for the class whose turn it is: classes take turns with the seeds, so that any range of
    /// seeds has all of them.
    pub fn latent_of(&self, seed: u32) -> Latent {
        latent_in_turn(seed, self.latent, self.classes.map_or(0, ClassTable::len))
    }

    /// The inputs for a latent and its class, in steps of [`Latent::SCALE`].
    pub fn steps(&self, latent: &Latent) -> Vec<i8> {
        let mut steps = latent.steps().to_vec();
        steps.resize(self.latent, 0);
        if let Some(classes) = self.classes {
            steps.extend((0..classes.width()).map(|i| classes.number(latent.class(), i)));
        }
        steps
    }

    /// The inputs for these latents and their classes as real numbers; `[N, inputs]`.
    pub fn batch(&self, latents: impl IntoIterator<Item = Latent>) -> Array2<f32> {
        let mut values = Vec::new();
        for latent in latents {
            values.extend(self.steps(&latent).iter().map(|&q| f32::from(q) * Latent::SCALE));
        }
        Array2::from_shape_vec((values.len() / self.len(), self.len()), values)
            .expect("all inputs have the same length")
    }

    /// The inputs for `count` seeds from `first` on, as [`latent_of`](Self::latent_of) gives them.
    pub fn range(&self, first: u32, count: u32) -> Array2<f32> {
        self.batch((first..first + count).map(|seed| self.latent_of(seed)))
    }
}

/// Rounds class vectors to steps of [`Latent::SCALE`]. Returns the steps, and for each column the factor that the weights
/// which read it have to be multiplied by: columns with values beyond the largest step are scaled down.
pub fn to_steps(vectors: &Array2<f32>) -> (Array2<i8>, Vec<f32>) {
    let largest = f32::from(i8::MAX) * Latent::SCALE;
    let reach = |column: ndarray::ArrayView1<'_, f32>| column.iter().fold(0f32, |most, v| most.max(v.abs()));
    let factors: Vec<f32> = vectors.columns().into_iter().map(|c| (reach(c) / largest).max(1.0)).collect();
    let mut steps = Array2::zeros(vectors.dim());
    for (i, factor) in factors.iter().enumerate() {
        let to_step = |v: &f32| (v / factor / Latent::SCALE).round().clamp(-127.0, 127.0) as i8;
        steps.slice_mut(s![.., i]).assign(&vectors.slice(s![.., i]).map(to_step));
    }
    (steps, factors)
}

/// Multiplies the weights of the first layer that read the numbers of the class by the factors of [`to_steps`]. The layer
/// reads `latent` values and one number of the class for each factor.
pub fn scale_class_weights(mut weights: ArrayViewMut2<'_, f32>, latent: usize, factors: &[f32]) {
    let inputs = latent + factors.len();
    for (row, mut weights) in weights.rows_mut().into_iter().enumerate() {
        // In every layout of the weights the input varies fastest along a column.
        if let Some(column) = (row % inputs).checked_sub(latent) {
            weights *= factors[column];
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn inputs_are_the_latent_and_the_class_behind_it() {
        let classes = ClassTable { names: vec!["a".into(), "b".into()], rows: array![[1, -2], [5, 127]] };
        let input = GeneratorInput { latent: 3, classes: Some(&classes) };
        let latent = Latent::from_steps(&[7, 8, 9]).unwrap();
        assert_eq!((input.len(), input.steps(&latent)), (5, vec![7, 8, 9, 1, -2]));
        assert_eq!(input.steps(&latent.clone().with_class(1)), [7, 8, 9, 5, 127]);
        assert_eq!(input.steps(&latent.clone().with_class(200)), [7, 8, 9, 5, 127], "past the last: the last");
        let mixed = latent.with_mix(ClassMix::between(0, 1, 128));
        assert_eq!(input.steps(&mixed), [7, 8, 9, 3, 63], "halves are rounded up");
        assert_eq!(input.range(4, 3).column(4).to_vec(), [-2.0 / 32.0, 127.0 / 32.0, -2.0 / 32.0], "they take turns");
        let without = GeneratorInput { latent: 3, classes: None };
        assert_eq!((without.len(), without.range(0, 2).dim()), (3, (2, 3)));
    }

    #[test]
    fn a_sheet_has_a_row_for_each_class() {
        let sheet = SheetLatents::new(3, 4, 3, 8, 6);
        assert_eq!((sheet.latents.len(), sheet.columns), (6, 2));
        assert_eq!(sheet.latents[3], Latent::from_seed(4, 4).with_class(1));
        assert_eq!(SheetLatents::new(0, 4, 3, 8, 2).latents.len(), 3, "one of each, however few are wanted");
        let plain = SheetLatents::new(3, 4, 0, 8, 6);
        assert_eq!((plain.latents[5].clone(), plain.columns), (Latent::from_seed(8, 4), 8));
    }

    #[test]
    fn a_class_is_found_by_name_or_number_and_a_wrong_name_lists_the_right_ones() {
        let names = ["7", "Cat", "cat", "Лягушка"].map(str::to_owned);
        let found = ["7", "cat", "лягушка", "3"].map(|name| find_class(&names, name).ok());
        assert_eq!(found, [Some(0), Some(2), Some(3), Some(3)]);
        assert!(find_class(&names, "CAT").unwrap_err().to_string().contains("can be Cat or cat"));
        for wrong in ["dog", "4", ""] {
            let error = find_class(&names, wrong).unwrap_err().to_string();
            assert!(error.contains("the classes are 7, Cat, cat, Лягушка"), "{error}");
        }
        assert!(find_class(&[], "x").unwrap_err().to_string().contains("no classes"));
    }

    #[test]
    fn vectors_beyond_the_range_of_steps_are_scaled_down() {
        let (steps, factors) = to_steps(&array![[0.5, -8.0], [-1.0, 2.0]]);
        assert_eq!((steps, factors[0]), (array![[16, -127], [-32, 32]], 1.0));
        assert!((factors[1] - 8.0 * 32.0 / 127.0).abs() < 1e-6);
        // A layer with two positions of its kernel, which reads one value of the latent and two numbers of the class.
        let mut weights = Array2::ones((6, 2));
        scale_class_weights(weights.view_mut(), 1, &[3.0, 5.0]);
        assert_eq!(weights.column(1).to_vec(), [1.0, 3.0, 5.0, 1.0, 3.0, 5.0]);
    }

    #[test]
    fn bad_names_are_refused_in_words() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert!(check_names(&names(&["cat", "лягушка"])).is_ok());
        let long = "x".repeat(65);
        for (bad, words) in [
            (names(&["cat"]), "2 to 64 classes, and these are 1"),
            (vec!["a".into(); 65], "these are 65"),
            (names(&["cat", ""]), "class 1 has a name of 0 bytes"),
            (names(&[&long, "a"]), "class 0 has a name of 65 bytes"),
            (names(&["a", "b", "a"]), "two classes are called a"),
        ] {
            let error = check_names(&bad).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
