//! Functions that several tests of data need.

/// A `.tar.gz` of these names and contents.
pub fn tar_gz(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// CIFAR-10 records with these labels; all bytes of a picture are its index in the file.
pub fn records(labels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, &label) in labels.iter().enumerate() {
        bytes.push(label);
        bytes.extend([index as u8; 3072]);
    }
    bytes
}

/// Which Python has written a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Python {
    /// Protocol 2, as the official files of CIFAR are.
    Two,
    /// Protocol 4, with NumPy 2.
    Three,
}

/// Writes pickles as Python does, except for what is noted but not used again.
struct Pickler(Python, Vec<u8>);

impl Pickler {
    fn new(python: Python) -> Self {
        let start: &[u8] = match python {
            Python::Two => b"\x80\x02}q\x01(",
            Python::Three => b"\x80\x04\x95\0\0\0\0\0\0\0\0}\x94(",
        };
        Self(python, start.to_vec())
    }

    /// A key or a name: Python 2 has bytes for these.
    fn text(&mut self, text: &str) {
        self.1.push(if self.0 == Python::Two { b'U' } else { 0x8c });
        self.1.push(text.len() as u8);
        self.1.extend(text.as_bytes());
        if self.0 == Python::Three {
            self.1.push(0x94);
        }
    }

    fn function(&mut self, module: &str, name: &str) {
        match self.0 {
            Python::Two => self.1.extend(format!("c{module}\n{name}\n").into_bytes()),
            Python::Three => {
                self.text(&module.replace(".core", "._core"));
                self.text(name);
                self.1.push(0x93);
            }
        }
    }

    fn int(&mut self, value: usize) {
        match value {
            0..=0xff => self.1.extend([b'K', value as u8]),
            _ => self.1.extend([&b"J"[..], &(value as u32).to_le_bytes()].concat()),
        }
    }

    fn list(&mut self, items: impl Iterator<Item = impl Fn(&mut Self)>) {
        self.1.extend(b"](");
        items.for_each(|item| item(self));
        self.1.push(b'e');
    }

    fn array(&mut self, shape: &[usize], elements: &[u8]) {
        self.function("numpy.core.multiarray", "_reconstruct");
        self.function("numpy", "ndarray");
        self.1.extend(b"K\0\x85");
        self.text("b");
        self.1.extend(b"\x87R(K\x01(");
        shape.iter().for_each(|&length| self.int(length));
        self.1.push(b't');
        self.function("numpy", "dtype");
        self.text("u1");
        self.1.extend(b"K\0K\x01\x87R(K\x03");
        self.text("|");
        self.1.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89");
        self.1.push(if self.0 == Python::Two { b'T' } else { b'B' });
        self.1.extend((elements.len() as u32).to_le_bytes());
        self.1.extend(elements);
        self.1.extend(b"tb");
    }

    fn finish(mut self) -> Vec<u8> {
        self.1.extend(b"u.");
        self.1
    }
}

/// A file of CIFAR in its Python version; `key` is that of the labels.
pub fn python_batch(python: Python, key: &str, labels: &[usize], shape: &[usize], pixels: &[u8]) -> Vec<u8> {
    let mut pickle = Pickler::new(python);
    pickle.text("batch_label");
    pickle.text("training batch 1 of 5");
    pickle.text(key);
    pickle.list(labels.iter().map(|&label| move |pickle: &mut Pickler| pickle.int(label)));
    pickle.text("data");
    pickle.array(shape, pixels);
    pickle.text("filenames");
    pickle.list(labels.iter().map(|label| move |pickle: &mut Pickler| pickle.text(&format!("{label}.png"))));
    pickle.finish()
}

/// The pictures of [`records`] in the Python version.
pub fn python_records(python: Python, key: &str, labels: &[usize]) -> Vec<u8> {
    let pixels: Vec<u8> = (0..labels.len()).flat_map(|index| [index as u8; 3072]).collect();
    python_batch(python, key, labels, &[labels.len(), 3072], &pixels)
}

/// A file with the names of classes.
pub fn python_names(python: Python, key: &str, names: &[&str]) -> Vec<u8> {
    let mut pickle = Pickler::new(python);
    pickle.text(key);
    pickle.list(names.iter().map(|name| move |pickle: &mut Pickler| pickle.text(name)));
    pickle.finish()
}
