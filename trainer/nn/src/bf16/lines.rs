//! Memory for operands, whose rows begin with a cache line. The load of a tile reads 16 rows of 64 bytes, and takes twice as
//! long if each of them lies in two cache lines.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Values of which the first is at the start of a cache line.
#[derive(Debug)]
pub(super) struct Lines<T> {
    /// The values, with up to a cache line before them.
    memory: Vec<T>,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self { memory: Vec::new() }
    }
}

impl<T: Copy + Default> Lines<T> {
    /// Makes sure that there are at least `len` values, and returns that many. Their contents are arbitrary.
    pub(super) fn grow(&mut self, len: usize) -> &mut [T] {
        let spare = LINE / size_of::<T>();
        if self.memory.len() < len + spare {
            self.memory.resize(len + spare, T::default());
        }
        let first = self.first();
        &mut self.memory[first..][..len]
    }

    /// The values.
    pub(super) fn values(&self) -> &[T] {
        &self.memory[self.first()..]
    }

    /// The index of the first value at the start of a cache line.
    fn first(&self) -> usize {
        // Where an address cannot be aligned, as in an interpreter, the computation is only slower.
        self.memory.as_ptr().align_offset(LINE).min(self.memory.len().min(LINE / size_of::<T>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_begins_a_cache_line() {
        let mut lines = Lines::<u16>::default();
        assert!(lines.values().is_empty());
        for len in [1, 31, 32, 1000, 5, 100_000] {
            let values = lines.grow(len);
            assert_eq!((values.len(), values.as_ptr().addr() % LINE), (len, 0));
            values.fill(7);
            assert!(lines.values().len() >= len);
            assert!(lines.values()[..len].iter().all(|&value| value == 7));
        }
    }
}
