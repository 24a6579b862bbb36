//! Rounding to bf16.

/// The bits of the bf16 number nearest to `x`, of two equally near ones the even one. Numbers beyond the largest become
/// infinite, and subnormal numbers 0. This is what VCVTNEPS2BF16 does (Intel's manual of instructions).
#[inline(always)]
pub(super) fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // Rounding must not turn a NaN into an infinity.
    let rounded = if x.is_nan() { bits >> 16 | 0x40 } else { rounded };
    (if x.abs() < f32::MIN_POSITIVE { bits >> 16 & 0x8000 } else { rounded }) as u16
}

/// The float32 with the value of the bf16 number with these bits.
#[inline(always)]
pub(super) fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Two numbers as one word, as the products take them: `first` in the lower half.
#[inline(always)]
pub(super) fn pair(first: u16, second: u16) -> u32 {
    u32::from(first) | u32::from(second) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest_and_ties_to_even() {
        let bits = |x: f32| round(x);
        assert_eq!(widen(bits(1.0)), 1.0);
        assert_eq!(bits(f32::from_bits(0x3f80_8000)), 0x3f80, "a tie, down to even");
        assert_eq!(bits(f32::from_bits(0x3f81_8000)), 0x3f82, "a tie, up to even");
        assert_eq!(bits(f32::from_bits(0x3f80_8001)), 0x3f81);
        assert_eq!(bits(f32::from_bits(0xbf80_7fff)), 0xbf80);
        assert_eq!(bits(f32::MAX), 0x7f80);
        assert_eq!(bits(f32::NEG_INFINITY), 0xff80);
        assert_eq!(bits(-0.0), 0x8000);
        assert!(widen(bits(f32::from_bits(0x7f80_0001))).is_nan());
        assert_eq!(bits(f32::from_bits(1)), 0, "the smallest subnormal number");
        assert_eq!(bits(f32::from_bits(0x807f_ffff)), 0x8000, "the largest one below 0");
        // Every bf16 number is its own nearest, except for the subnormal ones.
        for b in 0..=u16::MAX {
            let x = widen(b);
            assert!(x.is_subnormal() || x.is_nan() && widen(round(x)).is_nan() || round(x) == b);
        }
    }
}
