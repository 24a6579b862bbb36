//! Memory that is kept from batch to batch.

use ndarray::Array2;

/// Gives the map these dimensions. Its values are any; memory is allocated only if there was never so much.
pub(super) fn resize(map: &mut Array2<f32>, dim: (usize, usize)) {
    if map.dim() != dim {
        let (mut values, _) = std::mem::take(map).into_raw_vec_and_offset();
        values.resize(dim.0 * dim.1, 0.0);
        *map = Array2::from_shape_vec(dim, values).expect("as many values as the dimensions say");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept() {
        let mut map = Array2::zeros((8, 5));
        let place = map.as_ptr();
        for dim in [(4, 5), (8, 5), (2, 3), (8, 5)] {
            resize(&mut map, dim);
            assert_eq!((map.dim(), map.as_ptr()), (dim, place));
        }
        resize(&mut map, (16, 5));
        assert_eq!(map.dim(), (16, 5));
    }
}
