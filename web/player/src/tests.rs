use gen_core::{ClassMix, Engine, Latent, Model, aligned};

use crate::facts::Facts;
use crate::player::{MAX_SIDE, Player, Slot, largest_scale, parse};

static FROGS: &[u8] = gen_core::include_aligned!("../../../models/pocket-drawn/model.gen");
static DIGITS: &[u8] = gen_core::include_aligned!("../../../models/digits/model.gen");

/// What the engine draws, as RGBA.
fn drawn(model: &Model<'_>, latent: &Latent) -> Vec<u8> {
    let (mut workspace, mut rgba) = (vec![0; model.workspace_len()], Vec::new());
    Engine::new(model.clone(), &mut workspace).unwrap().generate(latent, |_, row| {
        for x in 0..row.len() {
            rgba.extend(row.rgb(x).unwrap());
            rgba.push(255);
        }
    });
    rgba
}

/// Calls `f` with a player of the model.
fn play(bytes: &[u8], f: impl FnOnce(&Model<'_>, &mut Player<'_>)) {
    let model = parse(bytes).unwrap();
    let mut workspace = vec![0; model.workspace_len()];
    f(&model, &mut Player::new(model.clone(), &mut workspace).unwrap());
}

#[test]
fn a_picture_is_that_of_the_engine_in_colour_and_grey() {
    for bytes in [FROGS, DIGITS] {
        play(bytes, |model, player| {
            let shape = model.output_shape();
            for seed in [0, 42, u32::MAX] {
                player.set_seed(Slot::From, seed);
                let picture = player.draw(0, 256, 1);
                assert_eq!((picture.width, picture.height), (shape.width.into(), shape.height.into()));
                assert_eq!(picture.rgba, drawn(model, &Latent::from_seed(seed, model.latent_len())), "{seed}");
            }
        });
    }
}

#[test]
fn classes_morphs_and_strength_are_those_of_the_latents() {
    play(DIGITS, |model, player| {
        let from = Latent::from_seed(1, model.latent_len()).with_mix(ClassMix::between(2, 7, 100));
        let to = Latent::from_seed(2, model.latent_len()).with_class(9);
        player.set_class(Slot::From, ClassMix::between(2, 7, 100));
        player.set_seed(Slot::From, 1); // keeps the class
        player.set_seed(Slot::To, 2);
        player.set_class(Slot::To, ClassMix::one(9));
        for (t, share) in [(0, 256), (100, 256), (200, 128), (256, 256), (u16::MAX, u16::MAX)] {
            let expected = drawn(model, &from.toward(&to, t).truncated(share));
            assert_eq!(player.draw(t, share, 1).rgba, expected, "{t} {share}");
        }
    });
}

#[test]
fn values_of_a_latent_can_be_set_and_lists_of_other_lengths_do_no_harm() {
    play(FROGS, |model, player| {
        let len = model.latent_len();
        let mut steps = Latent::from_seed(5, len).steps().to_vec();
        steps[3] = -127;
        player.set_steps(Slot::From, &steps);
        assert_eq!(player.latent(Slot::From).steps(), steps);
        assert_eq!(player.draw(0, 256, 1).rgba, drawn(model, &Latent::from_steps(&steps).unwrap()));
        player.set_steps(Slot::From, &[1; 500]);
        assert_eq!(player.latent(Slot::From).steps(), vec![1; len]);
        player.set_steps(Slot::From, &[7]);
        assert_eq!(player.latent(Slot::From).steps()[..2], [7, 0]);
    });
}

#[test]
fn an_enlarged_picture_has_the_pixels_in_its_middle_at_odd_factors() {
    for bytes in [FROGS, DIGITS] {
        play(bytes, |model, player| {
            let shape = model.output_shape();
            let (width, height, scale) = (usize::from(shape.width), usize::from(shape.height), 5);
            let bare = player.draw(0, 256, 1).rgba.clone();
            let large = player.draw(0, 256, scale as u32);
            assert_eq!(large.rgba.len(), 4 * width * height * scale * scale);
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let (small, large_at) = (4 * (y * width + x), 4 * ((y * scale + 2) * width * scale + x * scale + 2));
                assert_eq!(large.rgba[large_at..][..4], bare[small..][..4], "{y} {x}");
            }
        });
    }
}

#[test]
fn any_factor_makes_a_picture_of_bounded_size() {
    play(DIGITS, |model, player| {
        assert_eq!(largest_scale(model.output_shape()), 36);
        for scale in [0, u32::MAX] {
            let picture = player.draw(0, 256, scale);
            assert!(picture.width <= MAX_SIDE && picture.rgba.len() == 4 * (picture.width * picture.height) as usize);
        }
    });
}

#[test]
fn bytes_that_are_no_model_give_the_message_of_the_parser() {
    assert_eq!(parse(b"").unwrap_err(), "not a model file (it does not begin with RBGN)");
    let mut damaged = DIGITS.to_vec();
    damaged[20_000] ^= 1;
    assert_eq!(parse(&aligned(damaged)).unwrap_err(), "the model is damaged: its checksum does not match");
    let cut = aligned(&DIGITS[..1000]);
    assert_eq!(parse(&cut).unwrap_err(), "the model should be 31712 bytes long, found 1000");
}

#[test]
fn facts_are_json() {
    let mut facts = Facts::of(&parse(DIGITS).unwrap(), DIGITS);
    assert_eq!((facts.crc, facts.file, facts.latent, facts.classes.len()), (0x4bb7_fc13, 31_712, 12, 10));
    facts.name = "a \"b\" \\ \n".into();
    facts.classes.truncate(2);
    facts.layers.truncate(1);
    facts.workspaces[3].1 = 1; // depends on the kernels of this machine
    assert_eq!(
        facts.json(),
        "{\"name\":\"a \\\"b\\\" \\\\ \\u000a\",\"width\":28,\"height\":28,\"channels\":1,\"latent\":12,\
         \"largestScale\":36,\"macs\":726376,\"crc\":\"4bb7fc13\",\"file\":31712,\"classes\":[\"0\",\"1\"],\
         \"layers\":[\"dense, relu: 7x7x20\"],\"workspaces\":[{\"processor\":\"Cortex-M3\",\"bytes\":2757},\
         {\"processor\":\"Cortex-M4, M7 and M33\",\"bytes\":2117},{\"processor\":\"Cortex-M55\",\"bytes\":1797},\
         {\"processor\":\"this page\",\"bytes\":1}]}"
    );
}
