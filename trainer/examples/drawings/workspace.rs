//! How data flows through the packages of the workspace.

use super::svg::Svg;

const WIDE: f64 = 144.0;
const HIGH: f64 = 58.0;

/// Draws a box with a name, a line of text, and the path of its code.
fn node(svg: &mut Svg, class: &str, [x, y]: [f64; 2], name: &str, place: &str) {
    svg.rect(class, [x, y, WIDE, HIGH]);
    svg.text("head middle", [x + WIDE / 2.0, y + 25.0], name);
    svg.text("small middle note", [x + WIDE / 2.0, y + 44.0], place);
}

/// The drawing.
pub fn draw() -> String {
    let mut svg = Svg::new(960, 710, "Data flow through the workspace");
    let columns = [38.0, 218.0, 398.0, 578.0, 758.0];
    let step = |svg: &mut Svg, from: usize, y: f64| {
        svg.arrow(&[[columns[from] + WIDE + 2.0, y + HIGH / 2.0], [columns[from + 1] - 3.0, y + HIGH / 2.0]]);
    };

    // The trainer.
    svg.rect("grey", [24.0, 20.0, 912.0, 274.0]);
    svg.text("title", [38.0, 48.0], "trainer");
    svg.text("note", [112.0, 48.0], "on a computer; trainer/nn has the layers and their gradients");
    let first = 66.0;
    let row = [
        ("pictures", "folder or CIFAR-10"),
        ("Dataset", "data/"),
        ("Trainer", "train.rs, nn/"),
        ("Checkpoint", "run/"),
        ("FloatModel", "quantise/fold.rs"),
    ];
    for (i, (name, place)) in row.into_iter().enumerate() {
        node(&mut svg, if i == 0 { "orange" } else { "paper" }, [columns[i], first], name, place);
        svg.rect("", [columns[i], first, WIDE, HIGH]);
        if i > 0 {
            step(&mut svg, i - 1, first);
        }
    }
    let second = 212.0;
    let row = [
        ("report, card", "run/, card/"),
        ("quality score", "quality/"),
        ("simulation", "quantise/simulate.rs"),
        ("QuantModel", "quantise/"),
        ("PyTorch, Keras", "interchange/"),
    ];
    for (i, (name, place)) in row.into_iter().enumerate() {
        node(&mut svg, if i == 4 { "orange" } else { "paper" }, [columns[i], second], name, place);
        svg.rect("", [columns[i], second, WIDE, HIGH]);
    }
    // From the checkpoint's pictures to quality and report.
    let middle = first + HIGH + 44.0;
    svg.arrow(&[
        [columns[3] + 30.0, first + HIGH],
        [columns[3] + 30.0, middle],
        [columns[1] + WIDE / 2.0, middle],
        [columns[1] + WIDE / 2.0, second - 3.0],
    ]);
    svg.arrow(&[[columns[1] - 2.0, second + HIGH / 2.0], [columns[0] + WIDE + 3.0, second + HIGH / 2.0]]);
    svg.text("small note", [columns[1] + WIDE / 2.0 + 8.0, middle - 6.0], "pictures of each snapshot");
    // From the float model to the quantised one, and from and to other programs.
    svg.arrow(&[
        [columns[4] + 30.0, first + HIGH],
        [columns[4] + 30.0, middle],
        [columns[3] + WIDE - 30.0, middle],
        [columns[3] + WIDE - 30.0, second - 3.0],
    ]);
    svg.arrow(&[[columns[4] + 70.0, second], [columns[4] + 70.0, first + HIGH + 3.0]]);
    svg.arrow(&[[columns[4] + 100.0, first + HIGH], [columns[4] + 100.0, second - 3.0]]);
    svg.arrow(&[[columns[3] - 2.0, second + HIGH / 2.0], [columns[2] + WIDE + 3.0, second + HIGH / 2.0]]);

    // The file.
    let (file, core) = (326.0, 416.0);
    node(&mut svg, "green", [columns[3], file], "model.gen", "the model file");
    svg.arrow(&[[columns[3] + WIDE / 2.0, second + HIGH], [columns[3] + WIDE / 2.0, file - 3.0]]);
    svg.lines(
        "note",
        [columns[0], file + 18.0],
        &[
            "trainer and firmware do not depend on each",
            "other: they share this file, and the structs",
            "of gen-core that describe it",
        ],
    );

    // gen-core.
    svg.rect("grey", [24.0, core, 912.0, 122.0]);
    svg.path("dashed", &[[columns[2] + WIDE / 2.0, second + HIGH], [columns[2] + WIDE / 2.0, core + 44.0]]);
    svg.rect("paper", [columns[2] + 20.0, file + 16.0, WIDE - 40.0, 26.0]);
    svg.text("small middle", [columns[2] + WIDE / 2.0, file + 33.0], "must be equal");
    svg.text("title", [38.0, core + 28.0], "gen-core");
    svg.text("note", [134.0, core + 28.0], "on any machine, the same bits");
    let row = [("seed", "a number"), ("Latent", "latent.rs"), ("Engine", "engine.rs, kernels/"), ("Model", "model/")];
    for (i, (name, place)) in row.into_iter().enumerate() {
        node(&mut svg, if i == 0 { "orange" } else { "paper" }, [columns[i], core + 46.0], name, place);
        svg.rect("", [columns[i], core + 46.0, WIDE, HIGH]);
    }
    step(&mut svg, 0, core + 46.0);
    step(&mut svg, 1, core + 46.0);
    let y = core + 46.0 + HIGH / 2.0;
    svg.arrow(&[[columns[3] - 2.0, y], [columns[2] + WIDE + 3.0, y]]);
    svg.arrow(&[[columns[3] + WIDE / 2.0, file + HIGH], [columns[3] + WIDE / 2.0, core + 43.0]]);

    // The firmware.
    let device = core + 152.0;
    svg.rect("grey", [24.0, device, 912.0, 122.0]);
    svg.text("title", [38.0, device + 28.0], "firmware");
    svg.text("note", [140.0, device + 28.0], "on a chip, in QEMU, or as a preview");
    let row = [
        ("button, clock", "boards/, emulated/"),
        ("Platform", "support/"),
        ("App", "app/"),
        ("DrawTarget", "driver, mipidsi"),
        ("display", ""),
    ];
    for (i, (name, place)) in row.into_iter().enumerate() {
        node(&mut svg, if i == 0 || i == 4 { "orange" } else { "paper" }, [columns[i], device + 46.0], name, place);
        svg.rect("", [columns[i], device + 46.0, WIDE, HIGH]);
        if i > 0 {
            step(&mut svg, i - 1, device + 46.0);
        }
    }
    svg.arrow(&[[columns[2] + WIDE / 2.0, core + 46.0 + HIGH], [columns[2] + WIDE / 2.0, device + 43.0]]);
    svg.text("small note", [columns[2] + WIDE / 2.0 + 8.0, device + 28.0], "rows of pixels");
    svg.finish()
}
