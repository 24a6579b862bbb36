use ndarray::Array4;

use super::*;
use crate::config::{Fallback, Precision};
use crate::nn::init::Init;
use crate::nn::linear::{Kernels, Task};

fn pictures(n: usize) -> PictureStore {
    Array4::from_shape_fn((n, 32, 32, 3), |(n, y, x, c)| (n * 31 + y * 7 + x * 3 + c * 50) as u8).into()
}

/// A small recipe whose layers are multiplied in bf16 on every processor.
fn in_bf16() -> Config {
    let config = Config { batch: 6, precision: Precision::Bf16, fallback: Fallback::Amx, ..pocket() }.narrowed(2);
    let (generator, discriminator) = config.networks().unwrap();
    for network in [generator, discriminator] {
        let ways = network.blocks().iter().map(|block| block.linear().algorithm(Task::WeightGradient));
        assert!(ways.filter(|way| way.contains("bf16")).count() >= 2, "hardly anything is multiplied in bf16");
    }
    config
}

fn pocket() -> Config {
    Config::preset("pocket").unwrap()
}

#[test]
fn a_step_depends_on_the_state_alone_and_not_on_the_threads() {
    for config in [Config { batch: 6, ..pocket() }, in_bf16()] {
        check_that_a_step_depends_on_the_state_alone(&config);
    }
}

fn check_that_a_step_depends_on_the_state_alone(config: &Config) {
    let data = pictures(10);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(config.clone()).unwrap();
            for _ in 0..4 {
                trainer.step(&data).unwrap();
            }
            trainer.state
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));

    let mut first = Trainer::new(config.clone()).unwrap();
    first.step(&data).unwrap();
    let mut second = Trainer::with_state(config.clone(), first.state).unwrap();
    for _ in 0..3 {
        second.step(&data).unwrap();
    }
    assert_eq!(one, second.state);
}

#[test]
fn bf16_takes_nearly_the_same_first_step() {
    let config = in_bf16();
    let data = pictures(10);
    let mut bf16 = Trainer::new(config.clone()).unwrap();
    let mut float32 = Trainer::new(Config { precision: Precision::Float32, ..config }).unwrap();
    let (b, f) = (bf16.step(&data).unwrap(), float32.step(&data).unwrap());
    let close = |a: f64, b: f64| a != b && (a - b).abs() < 0.02;
    assert!(close(b.d_loss, f.d_loss) && close(b.g_loss, f.g_loss), "{b:?} {f:?}");
}

#[test]
fn fast_and_direct_kernels_take_the_same_first_step() {
    let reference = Config { batch: 8, ..Config::preset("reference-pocket").unwrap() };
    // Its 5x5 convolutions are computed with Fourier transforms.
    let tutorial = Config { batch: 6, ..Config::preset("tutorial").unwrap().narrowed(8) };
    for config in [reference, tutorial] {
        let data = pictures(10);
        let [mut fast, mut direct] = [config.kernels, Kernels::Direct]
            .map(|kernels| Trainer::new(Config { kernels, ..config.clone() }).unwrap());
        let (f, d) = (fast.step(&data).unwrap(), direct.step(&data).unwrap());
        let close = |a: f64, b: f64| (a - b).abs() < 1e-5;
        assert!(close(f.d_loss, d.d_loss) && close(f.g_loss, d.g_loss), "{}: {f:?} {d:?}", config.name);
        // If the traces were equal, both would have used the same kernels and the test would prove nothing.
        assert_ne!(fast.trace, direct.trace, "{}", config.name);
    }
}

#[test]
fn updates_are_no_larger_after_going_back() {
    // Goes back to the state before the first step, as a run does that has no later checkpoint yet.
    let mut config = Config { batch: 4, ..Config::preset("pocket").unwrap() };
    // Equal gains change weights beyond the update.
    config.generator.layers.iter_mut().for_each(|layer| layer.equal_gain = false);
    let lr = |optimiser: optim::Optimiser| match optimiser {
        optim::Optimiser::Adam { lr, .. } => lr,
        optim::Optimiser::RmsProp { .. } => unreachable!("the preset has Adam"),
    };
    let data = pictures(10);
    for step in [0, 50, 300, 499] {
        let mut trainer = Trainer::new(config.clone()).unwrap();
        trainer.state.step = step;
        let before = trainer.state.clone();
        trainer.step(&data).unwrap();
        let after = &trainer.state;
        for (before, after, lr) in [
            (&before.generator, &after.generator, lr(config.generator.optimiser)),
            (&before.discriminator, &after.discriminator, lr(config.discriminator.optimiser)),
        ] {
            // Adam's first update is as large as the learning rate, for every parameter with a gradient.
            let largest = before.iter().zip(after.iter()).fold(0f32, |most, (b, a)| most.max((a - b).abs()));
            assert!((0.9 * lr..1.01 * lr).contains(&largest), "step {step}: {largest}, and the rate is {lr}");
        }
    }
}

#[test]
fn where_only_differences_count_a_drift_of_all_logits_changes_no_share() {
    let config = Config { batch: 16, loss: crate::nn::loss::Loss::Relativistic, ..Config::preset("pocket").unwrap() };
    let data = pictures(40);
    let mut trainer = Trainer::new(config.clone()).unwrap();
    for _ in 0..3 {
        trainer.step(&data).unwrap();
    }
    let state = trainer.state;
    let shares = |drift: f32| {
        let mut state = state.clone();
        // The last parameter is the bias of the logit.
        *state.discriminator.last_mut().unwrap() += drift;
        let losses = Trainer::with_state(config.clone(), state).unwrap().step(&data).unwrap();
        (losses.d_real, losses.d_fake)
    };
    let (real, fake) = shares(0.0);
    assert!(real > fake, "{real} {fake}: the discriminator has learnt something");
    for drift in [-20.0, 20.0] {
        assert_eq!(shares(drift), (real, fake), "{drift}");
    }
}

#[test]
fn the_penalty_is_told_when_there_is_one() {
    use crate::config::Penalty;
    let of = |real, generated| {
        let penalty = Some(Penalty { real, generated, every: 2 });
        let mut trainer = Trainer::new(Config { batch: 4, penalty, ..Config::preset("pocket").unwrap() }).unwrap();
        let data = pictures(10);
        [trainer.step(&data).unwrap().penalty, trainer.step(&data).unwrap().penalty]
    };
    let [Some(real), None] = of(1.0, 0.0) else { panic!("every second step") };
    let [Some(generated), None] = of(0.0, 1.0) else { panic!("every second step") };
    let [Some(both), None] = of(1.0, 1.0) else { panic!("every second step") };
    assert!(real > 0.0 && generated > 0.0);
    assert!((both - real - generated).abs() < 1e-9 * both, "{both} {real} {generated}");
    // The reported value includes the weight, but not the factor `every`.
    assert_eq!(of(4.0, 0.0)[0], Some(4.0 * real));
    let none = Trainer::new(Config { batch: 4, ..Config::preset("pocket").unwrap() }).unwrap().step(&pictures(10));
    assert_eq!(none.unwrap().penalty, None);
}

#[test]
fn moments_of_another_length_are_refused() {
    let trainer = Trainer::new(Config::preset("pocket").unwrap()).unwrap();
    for list in 0..4 {
        let mut state = trainer.state.clone();
        let (g, d) = (&mut state.generator_moments, &mut state.discriminator_moments);
        let list = [&mut g.first, &mut g.second, &mut d.first, &mut d.second].into_iter().nth(list).unwrap();
        list.pop();
        let error = Trainer::with_state(trainer.config.clone(), state).unwrap_err().to_string();
        assert!(error.contains("moments of the"), "{error}");
    }
}

#[test]
fn a_pass_shows_every_picture_once() {
    let mut order = Order::default();
    for pass in 0..3 {
        let mut seen: Vec<_> = (0..50).map(|i| order.index(Stream::Shuffle, 1, pass, 50, i)).collect();
        assert_ne!(seen, (0..50).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }
}

#[test]
fn logits_are_compared_without_changing_a_later_step() {
    let config = Config { batch: 8, ..pocket().narrowed(4) };
    let (data, others) = (pictures(30), pictures(20).subset(&[17, 18, 19]).unwrap());
    let run = |compares: bool| {
        let mut trainer = Trainer::new(config.clone()).unwrap();
        for _ in 0..3 {
            trainer.step(&data).unwrap();
            if compares {
                let first = trainer.compare_logits(&data, &others, 100).unwrap();
                assert_eq!(trainer.compare_logits(&data, &others, 100).unwrap(), first);
            }
        }
        trainer.state
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn equal_pictures_have_equal_logits_and_learnt_ones_higher_ones() {
    // Without augmentation, a constant grey is quickly told apart from noise and from another grey.
    let grey = |value: u8, n: usize| PictureStore::from(Array4::from_elem((n, 32, 32, 3), value));
    for (batch_norm, joint_batch_norm) in [(false, 0), (true, 0), (true, 100)] {
        let mut config = Config { batch: 16, augment: Default::default(), joint_batch_norm, ..pocket().narrowed(2) };
        for layer in &mut config.discriminator.layers[1..3] {
            (layer.batch_norm, layer.layer_norm) = (batch_norm, !batch_norm);
        }
        let mut trainer = Trainer::new(config).unwrap();
        for _ in 0..15 {
            trainer.step(&grey(200, 40)).unwrap();
        }
        for (count, most) in [(40, 1000), (40, 20), (5, 1000)] {
            let logits = trainer.compare_logits(&grey(200, 60), &grey(200, count), most).unwrap();
            assert!((logits.training - logits.held_out).abs() < 1e-6, "{batch_norm}, {joint_batch_norm}: {logits:?}");
            assert!(logits.training > logits.generated + 0.1, "{batch_norm}, {joint_batch_norm}: {logits:?}");
        }
        let other = trainer.compare_logits(&grey(200, 40), &grey(20, 40), 1000).unwrap();
        assert!((other.training - other.held_out).abs() > 0.1, "{batch_norm}, {joint_batch_norm}: {other:?}");
        let wrong = PictureStore::from(Array4::zeros((3, 16, 16, 3)));
        let error = trainer.compare_logits(&grey(0, 4), &wrong, 9).unwrap_err();
        assert!(error.to_string().contains("the data holds 16x16x3"), "{error}");
    }
}

fn conditional(names: usize) -> Config {
    let class_names = (0..names).map(|k| format!("class {k}")).collect();
    Config { batch: 6, class_names, class_embedding: 3, ..Config::preset("pocket").unwrap().narrowed(4) }
}

#[test]
fn a_conditional_run_resumes_with_the_same_bits_on_any_number_of_threads() {
    let data = pictures(10);
    let classes = [0, 1, 2, 1, 1, 0, 2, 1, 0, 1];
    let examples = Examples { pictures: &data, classes: &classes };
    for balance_classes in [false, true] {
        let config = Config { balance_classes, ..conditional(3) };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut trainer = Trainer::new(config.clone()).unwrap();
                (0..3).for_each(|_| _ = trainer.step(examples).unwrap());
                trainer.state
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        let mut first = Trainer::new(config.clone()).unwrap();
        first.step(examples).unwrap();
        let mut second = Trainer::with_state(config.clone(), first.state).unwrap();
        (0..2).for_each(|_| _ = second.step(examples).unwrap());
        assert_eq!(one, second.state);
        let other = Examples { classes: &[0; 10], ..examples };
        let mut trainer = Trainer::new(config).unwrap();
        trainer.step(other).unwrap();
        assert_ne!(trainer.state.generator, Trainer::new(trainer.config.clone()).unwrap().state.generator);
    }
}

#[test]
fn a_batch_has_the_classes_of_its_pictures_in_their_shares_or_in_equal_ones() {
    let data = PictureStore::from(Array4::from_shape_fn((10, 32, 32, 3), |(n, ..)| n as u8));
    let classes = [0, 1, 1, 1, 1, 1, 1, 1, 1, 2];
    let examples = Examples { pictures: &data, classes: &classes };
    for (balance_classes, expected) in [(false, [3, 24, 3]), (true, [10, 10, 10])] {
        let mut trainer = Trainer::new(Config { balance_classes, ..conditional(4) }).unwrap();
        let (mut counts, mut shown) = ([0; 3], [0; 10]);
        for step in 0..5 {
            trainer.state.step = step;
            let inputs = trainer.inputs(examples).unwrap();
            for (picture, &class) in inputs.real.rows().into_iter().zip(&inputs.classes) {
                let n = ((picture[0] + 1.0) * 127.5).round() as usize;
                assert_eq!(class, classes[n]);
                counts[usize::from(class)] += 1;
                shown[n] += 1;
            }
        }
        assert_eq!(counts, expected);
        if balance_classes {
            assert!(shown[1..9].iter().all(|&times| (1..=2).contains(&times)), "each in its turn: {shown:?}");
        }
    }
}

#[test]
fn classes_that_are_not_the_recipes_are_refused() {
    let data = pictures(4);
    let mut trainer = Trainer::new(conditional(2)).unwrap();
    for (classes, words) in [
        (&[][..], "2 classes, and 0 of the 4 pictures"),
        (&[0, 1], "2 of the 4"),
        (&[0, 1, 2, 1], "3 of the 4 pictures"),
    ] {
        let error = trainer.step(Examples { pictures: &data, classes }).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let mut inputs = trainer.inputs(Examples { pictures: &data, classes: &[0, 1, 1, 0] }).unwrap();
    inputs.classes.pop();
    assert!(trainer.step_with(&inputs).unwrap_err().to_string().contains("classes: 5 numbers"));
}

#[test]
fn the_discriminator_learns_when_it_can() {
    // Without augmentation, a constant grey is quickly told apart from noise.
    let config = Config { batch: 16, augment: Default::default(), ..Config::preset("pocket").unwrap() };
    let data = PictureStore::from(Array4::from_elem((4, 32, 32, 3), 200));
    let mut trainer = Trainer::new(config).unwrap();
    let first = trainer.step(&data).unwrap();
    let mut last = first;
    for _ in 0..15 {
        last = trainer.step(&data).unwrap();
    }
    assert!(last.d_loss < first.d_loss * 0.7, "{first:?} {last:?}");
}

#[test]
fn pictures_of_another_size_are_refused() {
    let mut trainer = Trainer::new(Config::preset("pocket").unwrap()).unwrap();
    let error = trainer.step(&PictureStore::from(Array4::zeros((3, 16, 16, 3)))).unwrap_err().to_string();
    assert!(error.contains("32x32x3") && error.contains("16x16x3"), "{error}");
}

#[test]
fn a_step_with_a_teacher_comes_nearer_to_its_pictures() {
    use std::path::PathBuf;

    use crate::config::Distil;
    // With smooth initial weights or equal gains two untrained generators would draw nearly the same.
    let mut plain = Config { batch: 8, init: Init::Normal(0.02), ..pocket() }.narrowed(2);
    plain.generator.layers.iter_mut().for_each(|layer| layer.equal_gain = false);
    let teacher = FloatModel::fold(&plain, &Trainer::new(plain.clone()).unwrap().state.generator).unwrap();
    let of = |pixels, features, decay_start| {
        let distil = Some(Distil { teacher: PathBuf::from("models/one"), pixels, features, decay_start });
        Config { seed: 9, steps: 20, distil, ..plain.clone() }
    };
    let data = pictures(20);
    let error = Trainer::new(of(1.0, 0.0, 1.0)).unwrap().step(&data).unwrap_err().to_string();
    assert_eq!(error, "the teacher models/one has not been loaded");
    // The first losses of a run, and its state at the end.
    let run = |config: &Config| {
        let mut trainer = Trainer::new(config.clone()).unwrap();
        trainer.set_teacher(teacher.clone()).unwrap();
        let losses: Vec<_> = (0..20).map(|_| trainer.step(&data).unwrap()).collect();
        (losses, trainer)
    };
    let (alone, without) = run(&plain);
    assert_eq!(alone[0].distance, None);
    for config in [of(1e4, 0.0, 1.0), of(0.0, 1e4, 1.0)] {
        let (losses, trainer) = run(&config);
        assert_ne!(trainer.state.generator, without.state.generator);
        let [first, last] = [losses[0], losses[19]].map(|losses| losses.distance.unwrap());
        assert!(last < 0.9 * first, "{first} {last}");
    }
    // The weight is 1, 0.95 ... 0.05; the first distance is the same.
    let (falling, _) = run(&of(1.0, 0.0, 0.0));
    let (constant, _) = run(&of(1.0, 0.0, 1.0));
    assert_eq!(falling[0].distance, constant[0].distance);
    assert!(falling[19].distance.unwrap() < 0.1 * constant[19].distance.unwrap());
    // A run that is resumed takes the same steps.
    let config = of(10.0, 10.0, 0.5);
    let (_, whole) = run(&config);
    let mut first = Trainer::new(config.clone()).unwrap();
    first.set_teacher(teacher.clone()).unwrap();
    (0..7).for_each(|_| _ = first.step(&data).unwrap());
    let mut second = Trainer::with_state(config, first.state).unwrap();
    second.set_teacher(teacher.clone()).unwrap();
    (7..20).for_each(|_| _ = second.step(&data).unwrap());
    assert_eq!(whole.state, second.state);
}
