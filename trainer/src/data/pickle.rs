//! Python's pickles, read without running anything.
//!
//! A pickle is a program for a small stack machine, and may call any function of Python. This reader knows the operations
//! that dictionaries, lists, texts, numbers and NumPy's arrays are made of, in the protocols 0 to 5, and refuses all
//! others. Sources: `Lib/pickletools.py` of Python, `numpy/_core/src/multiarray/methods.c` of NumPy.
//!
//! Values are kept in one list and refer to each other by their places in it. A value that contains itself therefore does
//! no harm, and nothing here is recursive.

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};

use crate::npy::{Element, Header, Npy};
use crate::text::Plain;

/// Limit of the operations, which bounds the memory of all values. CIFAR-100 takes 400,000 of them, or, as Python 3 writes
/// protocol 0, two million.
const MAX_OPERATIONS: usize = 8_000_000;
/// Limit of the axes of an array.
const MAX_AXES: usize = 8;

/// The place of a value.
type Place = usize;

/// A value.
#[derive(Debug)]
enum Value<'a> {
    /// `None`, a float: nothing that is used.
    Other,
    Int(i64),
    Bytes(Cow<'a, [u8]>),
    Text(Cow<'a, str>),
    /// A list or a tuple.
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Function(Function),
    /// The type of an array's elements, as in `.npy`: order of the bytes, kind, size.
    Type(String),
    /// `None` until its contents follow.
    Array(Option<Box<Array>>),
}

#[derive(Debug)]
struct Array {
    header: Header,
    elements: Place,
}

/// The functions and classes that a pickle may name. Python is not asked; what they would return is built here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    /// An empty array, whose contents follow.
    Reconstruct,
    /// An array of these bytes.
    FromBuffer,
    /// A number.
    Scalar,
    NdArray,
    Type,
    /// How protocols 0 to 2 of Python 3 keep bytes: as a text in Latin-1.
    Encode,
    /// Empty bytes, in these protocols.
    Bytes,
}

impl Function {
    fn of(module: &str, name: &str) -> Result<Self> {
        // NumPy 2 calls its module `core` `_core`.
        Ok(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::Reconstruct,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::Scalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Self::FromBuffer,
            ("numpy", "ndarray") => Self::NdArray,
            ("numpy", "dtype") => Self::Type,
            ("_codecs", "encode") => Self::Encode,
            ("__builtin__" | "builtins", "bytes") => Self::Bytes,
            _ => bail!("it wants to run {}.{}; this reader runs nothing", Plain::text(module), Plain::text(name)),
        })
    }
}

/// A pickle whose value is a dictionary.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// The place of the dictionary.
    root: Place,
}

/// Whether a file that begins with these bytes is a pickle: of a later protocol, or of 0 or 1 with a dictionary.
pub(super) fn is_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 2..=5, ..] | [b'(', b'd', b'p', ..] | [b'}', b'q', ..])
}

impl<'a> Pickle<'a> {
    /// Reads a pickle.
    ///
    /// # Errors
    /// When it is damaged, is not a dictionary, or uses anything that this reader does not know.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut machine = Machine { input: bytes, may_decode: 4 * bytes.len(), ..Machine::default() };
        for _ in 0..MAX_OPERATIONS {
            let at = bytes.len() - machine.input.len();
            match machine.step() {
                Ok(None) => {}
                Ok(Some(root)) => {
                    ensure!(
                        matches!(machine.values.get(root), Some(Value::Dict(_))),
                        "it is a pickle, but of no dictionary, as those of CIFAR are"
                    );
                    return Ok(Self { values: machine.values, root });
                }
                Err(error) => return Err(error.context(format!("at byte {at}"))),
            }
        }
        bail!("it has more than {MAX_OPERATIONS} operations, which no CIFAR has")
    }

    /// The value of a key.
    fn get(&self, key: &str) -> Option<&Value<'a>> {
        let Some(Value::Dict(pairs)) = self.values.get(self.root) else { return None };
        let found = pairs.iter().rev().find(|(name, _)| self.text(*name).is_some_and(|name| name == key.as_bytes()));
        found.and_then(|(_, value)| self.values.get(*value))
    }

    /// Whether the dictionary has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The keys that are texts, for messages.
    pub(super) fn keys(&self) -> String {
        let Some(Value::Dict(pairs)) = self.values.get(self.root) else { return String::new() };
        let names = pairs.iter().take(10).filter_map(|(name, _)| self.text(*name));
        names.map(|name| Plain::text(&String::from_utf8_lossy(name)).to_string()).collect::<Vec<_>>().join(", ")
    }

    /// A text, or the bytes that Python 2 keeps texts as.
    fn text(&self, place: Place) -> Option<&[u8]> {
        match self.values.get(place)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The array of a key.
    ///
    /// # Errors
    /// When it is none, or does not have the bytes that its shape needs.
    pub(super) fn array(&self, key: &str) -> Result<Npy<'_>> {
        let value = self.get(key).with_context(|| format!("it has no \"{key}\"; its keys are {}", self.keys()))?;
        let Value::Array(Some(array)) = value else { bail!("its \"{key}\" is no array of NumPy") };
        let Some(Value::Bytes(bytes)) = self.values.get(array.elements) else {
            bail!("its \"{key}\" is an array of objects, and not of numbers")
        };
        Npy::new(array.header.clone(), bytes).with_context(|| format!("array \"{key}\""))
    }

    /// The numbers of a key, which is a list or an array.
    ///
    /// # Errors
    /// When it is none, or one of its numbers is not a whole one of at least 0.
    pub(super) fn numbers(&self, key: &str) -> Result<Vec<u32>> {
        let whole = |value: f64| {
            let is_whole = value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0;
            is_whole.then_some(value as u32).with_context(|| format!("its \"{key}\" have the number {value}"))
        };
        match self.get(key) {
            Some(Value::List(places)) => places
                .iter()
                .map(|place| match self.values.get(*place) {
                    Some(Value::Int(value)) => whole(*value as f64),
                    _ => bail!("its \"{key}\" are not all whole numbers"),
                })
                .collect(),
            _ => self.array(key)?.to_f64().into_iter().map(whole).collect(),
        }
    }

    /// The texts of a key, which is a list.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>> {
        let Some(Value::List(places)) = self.get(key) else {
            bail!("it has no list \"{key}\"; its keys are {}", self.keys())
        };
        let text = |place: &Place| self.text(*place).map(|text| String::from_utf8_lossy(text).into_owned());
        places.iter().map(|place| text(place).with_context(|| format!("its \"{key}\" are not all texts"))).collect()
    }
}

/// The stack machine.
#[derive(Default)]
struct Machine<'a> {
    /// What follows.
    input: &'a [u8],
    values: Vec<Value<'a>>,
    stack: Vec<Place>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    /// Values that are used again, by number.
    memo: HashMap<u64, Place>,
    /// Bytes of texts that may still be decoded. Without a limit a small file could have the same text decoded again and
    /// again.
    may_decode: usize,
}

impl<'a> Machine<'a> {
    /// Runs one operation; after the last one, returns the place of the result.
    fn step(&mut self) -> Result<Option<Place>> {
        let [operation] = self.array()?;
        match operation {
            b'.' => return self.pop().map(Some),
            // The protocol, and the length of what can be read at once.
            0x80 => {
                let [protocol] = self.array()?;
                ensure!(protocol <= 5, "its protocol {protocol} is unknown");
            }
            0x95 => {
                self.take(8)?;
            }

            b'N' => self.push(Value::Other),
            b'F' => {
                self.line()?;
                self.push(Value::Other);
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Other);
            }
            0x88 => self.push(Value::Int(1)),
            0x89 => self.push(Value::Int(0)),
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()));
            }
            b'K' | b'M' | 0x8a | 0x8b => {
                let length = match operation {
                    b'K' => 1,
                    b'M' => 2,
                    0x8a => self.length(1)?,
                    _ => self.length(4)?,
                };
                let bytes = self.take(length)?;
                // The first two have no sign.
                let value = if operation < 0x80 { unsigned(bytes) } else { signed(bytes) };
                self.push(Value::Int(value.with_context(|| format!("it has a number of {length} bytes"))?));
            }
            b'I' | b'L' => {
                let line = self.text_line()?;
                let value = line.trim_end_matches('L').parse();
                self.push(Value::Int(value.ok().with_context(|| format!("{} is no number", Plain::text(line)))?));
            }

            b'U' | b'C' => self.bytes(1)?,
            b'T' | b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'S' => {
                let line = self.line()?;
                let decoded = unquoted(line).context("it has a damaged text")?;
                self.decoded(decoded.len())?;
                self.push(Value::Bytes(decoded.into()));
            }
            b'V' => {
                let line = self.line()?;
                let decoded = unescaped(line).context("it has a damaged text")?;
                self.decoded(decoded.len())?;
                self.push(Value::Text(decoded.into()));
            }

            b'(' => self.marks.push(self.stack.len()),
            b')' | b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' | b'l' => {
                let items = self.above_mark()?;
                self.push(Value::List(items));
            }
            0x85..=0x87 => {
                let mut items = (0..operation - 0x84).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
                items.reverse();
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.above_mark()?;
                self.append(&items)?;
            }
            b'd' => {
                let items = self.above_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.above_mark()?;
                self.set(&items)?;
            }

            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.above_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'p'..=b'r' => {
                let number = self.memo_number(operation)?;
                self.note(number)?;
            }
            0x94 => self.note(self.memo.len() as u64)?,
            b'g' | b'h' | b'j' => {
                let number = self.memo_number(operation)?;
                self.recall(number)?;
            }

            b'c' => {
                let (module, name) = (self.text_line()?, self.text_line()?);
                self.push(Value::Function(Function::of(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let function = match (self.values.get(module), self.values.get(name)) {
                    (Some(Value::Text(module)), Some(Value::Text(name))) => Function::of(module, name)?,
                    _ => bail!("it names a function in an unknown way"),
                };
                self.push(Value::Function(function));
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let value = self.call(function, arguments)?;
                self.push(value);
            }
            b'b' => {
                let (state, place) = (self.pop()?, self.top()?);
                self.build(place, state)?;
            }
            // Objects of any class: the name of the class follows, or is on the stack.
            b'i' => {
                let (module, name) = (self.text_line()?, self.text_line()?);
                bail!("it wants to run {}.{}; this reader runs nothing", Plain::text(module), Plain::text(name))
            }
            _ => bail!(
                "it has the operation {operation:#04x}, which no CIFAR has: it is damaged, no pickle, or one of something else"
            ),
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.input.split_at_checked(length).context("it is cut: copy or download it again")?;
        self.input = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    /// An unsigned number of so many bytes.
    fn length(&mut self, size: usize) -> Result<usize> {
        let bytes = self.take(size)?;
        unsigned(bytes).and_then(|length| usize::try_from(length).ok()).context("it has a damaged length")
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let length = self.input.iter().position(|&byte| byte == b'\n').context("it is cut")?;
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    fn text_line(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.line()?).context("it has a damaged text")
    }

    /// Pushes bytes behind their length, which has `size` bytes.
    fn bytes(&mut self, size: usize) -> Result<()> {
        let length = self.length(size)?;
        let bytes = self.take(length)?;
        self.push(Value::Bytes(bytes.into()));
        Ok(())
    }

    /// Pushes a text behind its length, which has `size` bytes.
    fn text(&mut self, size: usize) -> Result<()> {
        let length = self.length(size)?;
        let text = std::str::from_utf8(self.take(length)?).context("it has a damaged text")?;
        self.push(Value::Text(text.into()));
        Ok(())
    }

    /// Counts decoded bytes.
    fn decoded(&mut self, length: usize) -> Result<()> {
        let left = self.may_decode.checked_sub(length);
        self.may_decode = left.context("it repeats its texts, which no CIFAR does")?;
        Ok(())
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn top(&self) -> Result<Place> {
        let above = self.stack.get(self.marks.last().copied().unwrap_or(0)..).unwrap_or_default();
        above.last().copied().context("it takes more values than there are")
    }

    fn pop(&mut self) -> Result<Place> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn above_mark(&mut self) -> Result<Vec<Place>> {
        let mark = self.marks.pop().context("it takes more values than there are")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn append(&mut self, items: &[Place]) -> Result<()> {
        let list = self.top()?;
        let Some(Value::List(list)) = self.values.get_mut(list) else { bail!("it appends to what is no list") };
        list.extend_from_slice(items);
        Ok(())
    }

    /// Sets keys, each followed by its value.
    fn set(&mut self, items: &[Place]) -> Result<()> {
        let dict = self.top()?;
        let Some(Value::Dict(dict)) = self.values.get_mut(dict) else {
            bail!("it sets a key of what is no dictionary")
        };
        let (pairs, []) = items.as_chunks::<2>() else { bail!("it has a key without a value") };
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// The number of the value that an operation stores or uses again: a line of text, one byte or four bytes.
    fn memo_number(&mut self, operation: u8) -> Result<u64> {
        match operation {
            b'p' | b'g' => self.text_line()?.parse().context("it has a damaged number"),
            b'q' | b'h' => Ok(self.length(1)? as u64),
            _ => Ok(self.length(4)? as u64),
        }
    }

    fn note(&mut self, number: u64) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(number, top);
        Ok(())
    }

    fn recall(&mut self, number: u64) -> Result<()> {
        let place = *self.memo.get(&number).with_context(|| format!("it uses value {number}, which there is not"))?;
        self.stack.push(place);
        Ok(())
    }

    /// The items of a list or tuple.
    fn items(&self, place: Place) -> Result<&[Place]> {
        match self.values.get(place) {
            Some(Value::List(items)) => Ok(items),
            _ => bail!("it has a damaged tuple"),
        }
    }

    fn int(&self, place: Place) -> Result<i64> {
        match self.values.get(place) {
            Some(Value::Int(value)) => Ok(*value),
            _ => bail!("it has no number where one is needed"),
        }
    }

    /// A short text, or bytes in its place.
    fn short(&self, place: Place) -> Result<&str> {
        let text = match self.values.get(place) {
            Some(Value::Text(text)) => Some(text.as_bytes()),
            Some(Value::Bytes(bytes)) => Some(bytes.as_ref()),
            _ => None,
        };
        let text = text.filter(|text| text.len() <= 16).and_then(|text| std::str::from_utf8(text).ok());
        text.context("it has no name where one is needed")
    }

    /// Type, shape and order of an array.
    fn header(&self, element: Place, shape: Place, fortran: bool) -> Result<Header> {
        let Some(Value::Type(descr)) = self.values.get(element) else { bail!("it has an array without a type") };
        let shape = self.items(shape)?;
        ensure!(shape.len() <= MAX_AXES, "it has an array of {} axes", shape.len());
        let length = |place: &Place| self.int(*place).and_then(|length| Ok(usize::try_from(length)?));
        let shape = shape.iter().map(length).collect::<Result<_>>().context("it has an array with a damaged shape")?;
        Ok(Header { element: Element::parse(descr)?, shape, fortran })
    }

    /// What a function returns.
    fn call(&mut self, function: Place, arguments: Place) -> Result<Value<'a>> {
        let Some(&Value::Function(function)) = self.values.get(function) else {
            bail!("it calls what is no function of NumPy")
        };
        let arguments = self.items(arguments)?;
        Ok(match (function, arguments) {
            (Function::Reconstruct, [class, _, _])
                if matches!(self.values.get(*class), Some(Value::Function(Function::NdArray))) =>
            {
                Value::Array(None)
            }
            (Function::FromBuffer, &[elements, element, shape, order]) => {
                let header = self.header(element, shape, self.short(order)? == "F")?;
                Value::Array(Some(Box::new(Array { header, elements })))
            }
            (Function::Type, [name, ..]) => {
                // The order of the bytes follows.
                let name = self.short(*name)?;
                Value::Type(format!("<{name}"))
            }
            (Function::Scalar, &[element, bytes]) => {
                let (Some(Value::Type(descr)), Some(Value::Bytes(bytes))) =
                    (self.values.get(element), self.values.get(bytes))
                else {
                    bail!("it has a damaged number")
                };
                let value = match descr.as_bytes() {
                    [b'<' | b'|', b'i', ..] => signed(bytes),
                    [b'<' | b'|', b'u' | b'b', ..] => unsigned(bytes),
                    _ => None,
                };
                value.map_or(Value::Other, Value::Int)
            }
            (Function::Encode, &[text, _]) => {
                let Some(Value::Text(text)) = self.values.get(text) else { bail!("it encodes what is no text") };
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                let bytes = bytes.context("it has bytes that are none")?;
                self.decoded(bytes.len())?;
                Value::Bytes(bytes.into())
            }
            (Function::Bytes, []) => Value::Bytes(Cow::Borrowed(&[])),
            _ => bail!("it calls a function in an unknown way"),
        })
    }

    /// Fills a value that a function has returned.
    fn build(&mut self, place: Place, state: Place) -> Result<()> {
        let filled = match (self.values.get(place), self.items(state)?) {
            // Version, order of the bytes, and what only structures and dates have.
            (Some(Value::Type(descr)), &[_, order, ..]) => {
                let order = self.short(order)?;
                ensure!(matches!(order, "<" | ">" | "|" | "="), "it has a damaged type");
                Value::Type(format!("{order}{}", descr.get(1..).unwrap_or_default()))
            }
            // Version, shape, type, order, elements.
            (Some(Value::Array(_)), &[_, shape, element, fortran, elements]) => {
                let header = self.header(element, shape, self.int(fortran)? != 0)?;
                Value::Array(Some(Box::new(Array { header, elements })))
            }
            _ => bail!("it fills an object in an unknown way"),
        };
        if let Some(value) = self.values.get_mut(place) {
            *value = filled;
        }
        Ok(())
    }
}

/// A little-endian number without a sign.
fn unsigned(bytes: &[u8]) -> Option<i64> {
    let mut all = [0; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    i64::try_from(u64::from_le_bytes(all)).ok()
}

/// A little-endian number in two's complement.
fn signed(bytes: &[u8]) -> Option<i64> {
    let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut all = if is_negative { [0xff; 8] } else { [0; 8] };
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}

/// The bytes of a text in quotation marks, as Python 2 writes it.
fn unquoted(line: &[u8]) -> Option<Vec<u8>> {
    let (&mark, rest) = line.split_first().filter(|(mark, _)| matches!(mark, b'\'' | b'"'))?;
    let mut rest = rest.strip_suffix(&[mark])?;
    let mut bytes = Vec::new();
    while let [byte, after @ ..] = rest {
        rest = after;
        bytes.push(match (byte, after) {
            (b'\\', [b'x', digits @ ..]) => {
                let value = hexadecimal(digits.get(..2)?)?;
                rest = digits.get(2..)?;
                u8::try_from(value).ok()?
            }
            (b'\\', [escaped, after @ ..]) => {
                rest = after;
                match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'\\' | b'\'' | b'"' => *escaped,
                    _ => return None,
                }
            }
            (b'\\', []) => return None,
            _ => *byte,
        });
    }
    Some(bytes)
}

/// A text in the encoding "raw unicode escape": Latin-1, and `\u` or `\U` with four or eight hexadecimal digits.
fn unescaped(line: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(*byte));
                rest = after;
                continue;
            }
        };
        text.push(char::from_u32(hexadecimal(after.get(1..1 + digits)?)?)?);
        rest = after.get(1 + digits..)?;
    }
    Some(text)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let is_number = digits.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(digits).ok().filter(|_| is_number).and_then(|digits| u32::from_str_radix(digits, 16).ok())
}
