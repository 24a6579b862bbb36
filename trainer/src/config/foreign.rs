//! Descriptions of settings whose types are declared in `nn` or gen-core, which do not depend on recipes.
//! A test compares these descriptions with what serde accepts.

use gen_core::Padding;

use super::keys::{Key, Kind, Setting, Table, Word};
use crate::nn::init::Init;
use crate::nn::linear::Kernels;
use crate::nn::loss::Loss;
use crate::nn::optim::Optimiser;

fn words<const N: usize>(words: [(&str, &str); N]) -> Vec<Word> {
    words.map(|(name, about)| Word { name: name.into(), about: about.into() }).into()
}

impl Setting for Loss {
    fn kind() -> Kind {
        Kind::Words(words([
            (
                "bce",
                "Binary cross-entropy with `labels`, non-saturating for the generator (Goodfellow et al. 2014, \
                 arXiv:1406.2661).",
            ),
            (
                "hinge",
                "Hinge loss: real logits should be over 1, generated ones under −1 (Lim and Ye 2017, arXiv:1705.02894).",
            ),
            (
                "relativistic",
                "Each generated picture is compared with a real one (relativistic pairing GAN; Jolicoeur-Martineau 2018, \
                 arXiv:1807.00734). It is meant to be used with `penalty`.",
            ),
        ]))
    }
}

impl Setting for Kernels {
    fn kind() -> Kind {
        Kind::Words(words([
            ("direct", "As the definition says."),
            ("fast", "With fewer multiplications where that is faster; as exact as `direct`."),
            (
                "faster",
                "With fewer still for 4x4 kernels with stride 2 on small maps (Winograd's F(4x4, 2x2)); the error is about \
                 ten times as large, 3e-6 of the largest value.",
            ),
        ]))
    }
}

impl Setting for Padding {
    fn kind() -> Kind {
        Kind::Words(words([
            (
                "same",
                "As TensorFlow's `same`: the output has the size of the input divided (transposed: times) `stride`.",
            ),
            ("valid", "As TensorFlow's `valid`: no padding."),
        ]))
    }
}

impl Setting for Init {
    fn kind() -> Kind {
        let normal = Key::plain(
            "normal",
            Kind::Number,
            "Normal distribution around 0 with this standard deviation, 0 to 10; DCGAN has 0.02 (Radford et al. 2015, \
             arXiv:1511.06434). The factors (gamma) of batch normalisation begin around 1 with the same deviation.",
        );
        let smooth = Key::plain(
            "smooth",
            Kind::Number,
            "As `normal`, but transposed convolutions begin as bilinear enlargements, whose channels are mixed at random: no \
             checkerboard in the first pictures.",
        );
        let uniform = (
            "glorot_uniform",
            "Uniform, with a limit that depends on the layer (Glorot and Bengio 2010); Keras's default.",
        );
        Kind::WordsOr(words([uniform]), Table { name: "Init", about: String::new(), keys: vec![normal, smooth] })
    }
}

impl Setting for Optimiser {
    fn kind() -> Kind {
        let number = |name, about| Key::plain(name, Kind::Number, about);
        let rule = |rule: &str| {
            let kind = Kind::Words(words([("adam", "Adam."), ("rms_prop", "RMSprop.")]));
            Key::plain("rule", kind, &format!("`\"{rule}\"`."))
        };
        let lr = || number("lr", "Learning rate, over 0.");
        let epsilon = || number("epsilon", "Added to the denominator, over 0.");
        Kind::Rules(vec![
            Table {
                name: "adam",
                about: "Adam as PyTorch computes it (Kingma and Ba 2015, arXiv:1412.6980).".into(),
                keys: vec![
                    rule("adam"),
                    lr(),
                    number("beta1", "Decay of the mean gradient, 0 or more and under 1."),
                    number("beta2", "Decay of the mean squared gradient, 0 or more and under 1."),
                    epsilon(),
                ],
            },
            Table {
                name: "rms_prop",
                about: "RMSprop as Keras 2.2 computes it.".into(),
                keys: vec![
                    rule("rms_prop"),
                    lr(),
                    number("rho", "Decay of the mean squared gradient, 0 or more and under 1."),
                    epsilon(),
                    number("clip", "Gradients are limited to this magnitude, each value by itself; 0 for no limit."),
                    number("decay", "In step t the learning rate is `lr / (1 + decay * t)`; 0 for a constant rate."),
                ],
            },
        ])
    }
}
