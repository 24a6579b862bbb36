//! Numbers for people: thousands separators, sizes in bytes, medians.

use std::fmt;

use indicatif::HumanCount;

/// Displays a count with a comma between thousands: `12,345`. Respects width and alignment.
#[derive(Debug, Clone, Copy)]
pub struct Grouped(u64);

/// A count with a comma between thousands.
pub fn grouped(number: impl TryInto<u64>) -> Grouped {
    Grouped(number.try_into().unwrap_or(u64::MAX))
}

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HumanCount(self.0).to_string())
    }
}

/// Formats a size in MB (1,000,000 bytes) with one decimal: for files and the memory of a computer.
pub fn megabytes(bytes: impl TryInto<u64>) -> String {
    let bytes: u64 = bytes.try_into().unwrap_or(u64::MAX);
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The median. Of an even number of values it is the upper of the two in the middle; without values it is 0.
pub fn median<T: Into<f64>>(values: impl IntoIterator<Item = T>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().map(Into::into).collect();
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators_and_a_width() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (6_264_579, "6,264,579")];
        for (n, text) in cases {
            assert_eq!(grouped(n).to_string(), text);
        }
        assert_eq!(
            format!("{}|{:>7}|{:<6}|", grouped(1_234_567), grouped(1234_usize), grouped(9_u32)),
            "1,234,567|  1,234|9     |"
        );
    }

    #[test]
    fn megabytes_have_1_000_000_bytes() {
        assert_eq!(megabytes(84_000_000_usize), "84.0 MB");
    }

    #[test]
    fn the_median_is_the_upper_of_two() {
        assert_eq!(median([3.0f32, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0f64, 1.0, 3.0, 2.0]), 3.0);
        assert_eq!(median::<f32>([]), 0.0);
    }
}
