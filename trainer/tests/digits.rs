//! The shipped model of digits draws the digit that is asked for: a small classifier, trained here on real digits, reads
//! its pictures.

use std::path::Path;

use gen_core::spec::{Activation, LayerSpec, Op, Padding, Shape};
use gen_core::{Latent, Model, aligned};
use ndarray::{Array2, Array4, ArrayView2, Axis, s};
use rand::RngExt as _;
use trainer::nn::init::{Init, rng};
use trainer::nn::optim::Optimiser;
use trainer::nn::{BlockSpec, Dropout, Network, Params};
use trainer::quantise::draw::draw;

const SIDE: usize = 28;
/// Digits of each class in the file, and how many of them are not trained on.
const EACH: usize = 200;
const HELD_OUT: usize = 40;
const EPOCHS: u64 = 30;
const BATCH: usize = 50;

/// 2,000 digits of MNIST, `[N, 28 * 28]` from 0 to 1, and what they are (golden/digits/README.md).
fn real_digits() -> (Array2<f32>, Vec<usize>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/digits/digits.png");
    let sheet = image::open(path).unwrap().to_luma8();
    let columns = sheet.width() as usize / SIDE;
    let digit = |n: usize, i: usize| {
        let (x, y) = (n % columns * SIDE + i % SIDE, n / columns * SIDE + i / SIDE);
        f32::from(sheet.get_pixel(x as u32, y as u32).0[0]) / 255.0
    };
    let digits = Array2::from_shape_fn((10 * EACH, SIDE * SIDE), |(n, i)| digit(n, i));
    (digits, (0..10 * EACH).map(|n| n / EACH).collect())
}

/// A classifier of two convolutions, trained with cross-entropy.
struct Classifier {
    network: Network,
    params: Params,
}

impl Classifier {
    fn new() -> Self {
        let block = |op, activation| BlockSpec::plain(LayerSpec { op, activation });
        let conv = |channels| Op::Conv { channels, kernel: 5, stride: 2, padding: Padding::Same };
        let last = BlockSpec { dropout: 0.4, ..block(Op::Dense { out: Shape::new(1, 1, 10) }, Activation::Linear) };
        let specs = [block(conv(16), Activation::LeakyRelu(0.1)), block(conv(32), Activation::LeakyRelu(0.1)), last];
        let network = Network::new(Shape::new(SIDE as u16, SIDE as u16, 1), &specs).unwrap();
        let params = network.init(Init::GlorotUniform, 1, 0);
        Self { network, params }
    }

    fn train(&mut self, digits: ArrayView2<'_, f32>, answers: &[usize]) {
        let rule = Optimiser::Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        let mut moments = rule.moments(self.params.len());
        let mut x = Array2::zeros((BATCH, SIDE * SIDE));
        for step in 0..EPOCHS * (answers.len() / BATCH) as u64 {
            let mut rng = rng(1, step, 1);
            let chosen: Vec<usize> = (0..BATCH).map(|_| rng.random_range(0..answers.len() as u32) as usize).collect();
            for (mut row, &n) in x.rows_mut().into_iter().zip(&chosen) {
                // Shifted and slanted at random, with linear interpolation along a row.
                let (dy, dx) = (rng.random_range(-1..=1i32), rng.random_range(-1.5..1.5f32));
                let slant = rng.random_range(-0.25..0.25f32);
                let at = |y: i32, x: i32| {
                    let inside = (0..SIDE as i32).contains(&y) && (0..SIDE as i32).contains(&x);
                    if inside { digits[(n, y as usize * SIDE + x as usize)] } else { 0.0 }
                };
                let moved = |i: usize| {
                    let y = (i / SIDE) as i32 - dy;
                    let x = (i % SIDE) as f32 - dx + slant * (y as f32 - 13.5);
                    let (left, part) = (x.floor() as i32, x - x.floor());
                    (1.0 - part) * at(y, left) + part * at(y, left + 1)
                };
                row.iter_mut().enumerate().for_each(|(i, v)| *v = moved(i));
            }
            let logits = self.network.forward(&self.params, x.view(), Dropout::Seed(step)).to_owned();
            // The gradient of the cross-entropy: probabilities minus the answer.
            let mut d = self.network.d_output();
            for ((logits, mut d), &n) in logits.rows().into_iter().zip(d.rows_mut()).zip(&chosen) {
                let most = logits.fold(f32::MIN, |a, &b| a.max(b));
                let sum: f32 = logits.iter().map(|l| (l - most).exp()).sum();
                for (class, d) in d.iter_mut().enumerate() {
                    let answer = f32::from(u8::from(class == answers[n]));
                    *d = ((logits[class] - most).exp() / sum - answer) / BATCH as f32;
                }
            }
            let mut gradient = vec![0.0; self.params.len()];
            self.network.backward(&self.params, Some(&mut gradient), false, Dropout::Seed(step));
            let left = 1.0 - step as f32 / (EPOCHS as f32 * (answers.len() / BATCH) as f32);
            rule.step(left, &mut self.params, &gradient, &mut moments);
        }
    }

    /// Share of the digits that it reads as what they are.
    fn agreement(&mut self, digits: ArrayView2<'_, f32>, answers: &[usize]) -> f64 {
        let logits = self.network.forward(&self.params, digits, Dropout::Off);
        let read = logits.rows().into_iter().map(|logits| {
            let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.unwrap().0
        });
        read.zip(answers).filter(|(read, answer)| read == *answer).count() as f64 / answers.len() as f64
    }
}

fn values(pictures: &Array4<u8>) -> Array2<f32> {
    let count = pictures.dim().0;
    pictures.mapv(|v| f32::from(v) / 255.0).into_shape_with_order((count, SIDE * SIDE)).unwrap()
}

#[test]
fn a_person_reads_the_digit_that_was_asked_for() {
    let (digits, answers) = real_digits();
    let is_held_out = |n: &usize| n % EACH >= EACH - HELD_OUT;
    let (held_out, trained): (Vec<usize>, Vec<usize>) = (0..answers.len()).partition(is_held_out);
    let part =
        |places: &[usize]| (digits.select(Axis(0), places), places.iter().map(|&n| answers[n]).collect::<Vec<_>>());
    let ((x, y), (unseen, unseen_answers)) = (part(&trained), part(&held_out));
    let mut classifier = Classifier::new();
    classifier.train(x.view(), &y);
    let real = classifier.agreement(unseen.view(), &unseen_answers);
    assert!(real > 0.94, "of real digits that it has not seen it reads {real}");

    let blob = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/digits/model.gen")).unwrap();
    assert!(blob.len() <= 32 * 1024, "{} bytes", blob.len());
    let blob = aligned(&blob);
    let model = Model::parse(&blob).unwrap();
    assert_eq!(model.classes().names().collect::<Vec<_>>(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let latent = |n: u32| Latent::from_seed(n / 10, model.latent_len()).with_class((n % 10) as u8);
    let pictures = draw(&model, &(0..1000).map(latent).collect::<Vec<_>>());
    let asked: Vec<usize> = (0..1000).map(|n| n % 10).collect();
    let agreement = classifier.agreement(values(&pictures).view(), &asked);
    println!("real {real}, drawn {agreement}");
    assert!(agreement >= 0.95, "the classifier reads {agreement} of 1,000 drawn digits as what was asked for");
    // A check that can fail: other digits than those that were asked for.
    let others: Vec<usize> = asked.iter().map(|digit| (digit + 1) % 10).collect();
    assert!(classifier.agreement(values(&pictures).slice(s![.., ..]), &others) < 0.05);
}
