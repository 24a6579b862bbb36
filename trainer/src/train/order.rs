//! The order in which training sees its pictures.

use rand::seq::SliceRandom;

use super::stream::Stream;
use crate::nn::init::rng;

/// The shuffled order of the pictures in one epoch (one pass over the data set).
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The seed, epoch and number of pictures for which `indices` was computed.
    key: Option<(u64, u64, u64)>,
    indices: Vec<u64>,
}

impl Order {
    /// Index of the picture at position `i` of epoch `pass` over `n` pictures.
    pub(super) fn index(&mut self, stream: Stream, seed: u64, pass: u64, n: u64, i: u64) -> u64 {
        if self.key != Some((seed, pass, n)) {
            self.indices = (0..n).collect();
            self.indices.shuffle(&mut rng(seed, pass, stream.number()));
            self.key = Some((seed, pass, n));
        }
        self.indices[i as usize]
    }
}

/// The order of the pictures if every class is shown equally often: classes take turns, and each goes through its own
/// pictures in an order of its own.
#[derive(Debug, Default)]
pub(super) struct ClassOrders {
    /// Indices of the pictures of each class that has any.
    members: Vec<Vec<u64>>,
    orders: Vec<Order>,
}

impl ClassOrders {
    /// Collects the pictures of each of `count` classes. It allocates only in the first call.
    pub(super) fn prepare(&mut self, classes: &[u8], count: usize) {
        self.members.resize_with(count, Vec::new);
        self.orders.resize_with(count, Order::default);
        self.members.iter_mut().for_each(Vec::clear);
        for (index, &class) in (0..).zip(classes) {
            self.members[usize::from(class)].push(index);
        }
    }

    /// Index of the `i`-th picture that is shown.
    pub(super) fn index(&mut self, seed: u64, shuffle: bool, i: u64) -> u64 {
        // A class without pictures has no turn.
        let with_any = self.members.iter().filter(|members| !members.is_empty()).count() as u64;
        let (turn, i) = ((i % with_any) as usize, i / with_any);
        let class = (0..self.members.len()).filter(|&class| !self.members[class].is_empty()).nth(turn).unwrap_or(0);
        let (members, order) = (&self.members[class], &mut self.orders[class]);
        let n = members.len() as u64;
        let place = match shuffle {
            true => order.index(Stream::ShuffleClass(class as u64), seed, i / n, n, i % n),
            false => i % n,
        };
        members[place as usize]
    }
}
