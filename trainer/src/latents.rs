//! Latents: batches for a network, interpolation and variations.
//!
//! Truncation and interpolation are computed by gen-core, so a device with the same seeds draws
//! the same pictures.

use anyhow::{Result, ensure};
use gen_core::{ClassMix, Latent};
use ndarray::Array2;

/// Latents as a batch, `[N, len]`.
pub fn latent_batch(latents: impl Iterator<Item = Latent>, len: usize) -> Array2<f32> {
    let mut values = Vec::new();
    for latent in latents {
        values.extend(latent.steps().iter().map(|&q| f32::from(q) * Latent::SCALE));
    }
    Array2::from_shape_vec((values.len() / len, len), values).expect("every latent has the same length")
}

/// The latents of the `count` seeds from `first` on, `[count, len]`.
///
/// Each purpose (measuring, calibrating, comparing) has its own `first`, far from the seeds that users
/// type, so that no two purposes share latents.
pub fn latents(first: u32, count: u32, len: usize) -> Array2<f32> {
    latent_batch((first..first + count).map(|seed| Latent::from_seed(seed, len)), len)
}

/// Number of pictures to draw for a comparison or measurement that wants `most`: fewer with a large generator, so that
/// drawing takes about a second on two cores, but never fewer than 8. `macs` is the number of multiply-accumulates of a
/// picture.
pub fn sample_budget(macs: u64, most: u32) -> u32 {
    // About a second on two cores.
    let count = (1 << 34) / macs.max(1);
    u32::try_from(count).unwrap_or(u32::MAX).clamp(8.min(most), most)
}

/// Converts a share of 0 … 1 to 256ths, the unit of [`Latent::truncated`] and [`Latent::toward`].
///
/// # Errors
/// When the share is not within 0 … 1; `what` names it in the message.
pub fn in_256ths(share: f64, what: &str) -> Result<u16> {
    ensure!((0.0..=1.0).contains(&share), "{what} goes from 0 to 1, not to {share}");
    Ok((share * 256.0).round() as u16)
}

/// Interpolates between two latents and their classes: `steps` latents at equal angles, including both ends. With one step
/// the result is `from` alone. Between equal latents only the class changes.
pub fn interpolate(from: &Latent, to: &Latent, steps: u16) -> Vec<Latent> {
    let last = u32::from(steps).saturating_sub(1).max(1);
    let at = |step: u16| ((u32::from(step) * 512 + last) / (2 * last)) as u16;
    let (p, q) = (from.class().nearest(), to.class().nearest());
    let between = |t| match from.steps() == to.steps() {
        true => from.clone().with_mix(ClassMix::between(p, q, t)),
        false => from.toward(to, t),
    };
    (0..steps).map(|step| between(at(step))).collect()
}

/// `count` seeds for [`variations`]: those from `first` on, without `seed` itself.
pub fn neighbour_seeds(seed: u32, first: u32, count: usize) -> Vec<u32> {
    (first..=u32::MAX).filter(|&other| other != seed).take(count).collect()
}

/// Latents near `latent`: at `distance` / 256 of the way to each of `others`, which are independent of it, so that the
/// variations go in all directions.
pub fn variations(latent: &Latent, others: impl IntoIterator<Item = Latent>, distance: u16) -> Vec<Latent> {
    others.into_iter().map(|other| latent.toward(&other, distance)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_counted_in_256ths() {
        for (share, expected) in [(0.0, 0), (0.7, 179), (1.0, 256)] {
            assert_eq!(in_256ths(share, "--distance").unwrap(), expected);
        }
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(in_256ths(share, "--distance").unwrap_err().to_string().contains("--distance"), "{share}");
        }
    }

    #[test]
    fn a_way_begins_and_ends_at_its_pictures() {
        let (a, b) = (Latent::from_seed(3, 32), Latent::from_seed(8, 32));
        let five = [a.clone(), a.toward(&b, 64), a.toward(&b, 128), a.toward(&b, 192), b.clone()];
        assert_eq!(interpolate(&a, &b, 5), five);
        assert_eq!(interpolate(&a, &b, 2), [a.clone(), b.clone()]);
        assert_eq!((interpolate(&a, &b, 1), interpolate(&a, &b, 0)), (vec![a.clone()], vec![]));
        let mixed = |t| a.clone().with_mix(ClassMix::between(2, 5, t));
        let classes = interpolate(&a.clone().with_class(2), &a.clone().with_class(5), 3);
        assert_eq!(classes, [mixed(0), mixed(128), mixed(256)], "of the same seed only the class changes");
    }

    #[test]
    fn what_is_alike_is_near_and_never_the_picture_itself() {
        assert_eq!(neighbour_seeds(2, 1, 3), [1, 3, 4]);
        assert_eq!(neighbour_seeds(9, u32::MAX, 3), [u32::MAX], "there are no more");
        let latent = Latent::from_seed(2, 64);
        let squared = |other: &Latent| -> i32 {
            let differences = latent.steps().iter().zip(other.steps()).map(|(&a, &b)| i32::from(a) - i32::from(b));
            differences.map(|d| d * d).sum()
        };
        let others = neighbour_seeds(2, 0, 20);
        let of = |distance| {
            let others = others.iter().map(|&other| Latent::from_seed(other, 64));
            variations(&latent, others, distance).iter().map(squared).max()
        };
        assert_eq!(of(0), Some(0));
        assert!(of(30) < of(80) && of(80) < of(256));
    }
}
