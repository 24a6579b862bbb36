//! The flow of a picture through rings and staging: the state of all layers before a row of the picture is computed.

use anyhow::{Result, ensure};
use gen_core::Model;
use gen_core::plan::ARMV7EM;
use gen_core::spec::{Geometry, Op};

use super::svg::{Svg, number};

/// The row of the picture that is about to be computed.
const ROW: usize = 9;

/// Progress of a layer: number of rows written to its ring, and number of output rows computed from them.
#[derive(Clone, Copy)]
struct Progress {
    filled: usize,
    made: usize,
}

/// Simulates the engine's order until the last layer is about to compute row `row` of the picture.
fn follow(layers: &[Geometry], row: usize) -> Vec<Progress> {
    let mut rings = vec![Progress { filled: 0, made: 0 }; layers.len()];
    rings[0].filled = 1;
    let last = layers.len() - 1;
    let mut i = last;
    loop {
        let g = &layers[i];
        let window = g.y.window(rings[i].made);
        let end = (window.start + window.taps as isize).clamp(0, g.input.height as isize) as usize;
        if rings[i].filled < end {
            i -= 1;
            continue;
        }
        if i == last && rings[i].made == row {
            return rings;
        }
        rings[i].made += 1;
        if i < last {
            rings[i + 1].filled += 1;
            i += 1;
        }
    }
}

/// The drawing.
pub fn draw(model: &Model<'_>) -> Result<String> {
    let layers: Vec<_> = model.layers().iter().map(|layer| layer.geometry).collect();
    let last = layers.len() - 1;
    ensure!(
        layers.len() <= 5 && layers.iter().all(|g| g.output.height <= 32),
        "the drawing has room for 5 layers of 32 rows"
    );
    let rings = follow(&layers, ROW);
    let memory = model.workspace_plan(&ARMV7EM);

    let mut svg = Svg::new(960, 740, "Rings and staging");
    svg.text(
        "title",
        [24.0, 34.0],
        &format!("{} while row {ROW} of the picture is computed: rows of every layer's input", model.name()),
    );
    // Legend.
    let legend = [
        ("grey", "computed and overwritten"),
        ("blue", "kept in the ring"),
        ("orange", "read now"),
        ("green", "computed now"),
        ("", "not computed yet"),
    ];
    let mut x = 24.0;
    for (class, text) in legend {
        svg.rect(class, [x, 50.0, 16.0, 16.0]);
        svg.text("", [x + 24.0, 63.0], text);
        x += 60.0 + 7.0 * text.len() as f64;
    }

    // A column for each ring, and one for the picture.
    let (left, pitch, wide, top, high) = (24.0, 161.0, 80.0, 122.0, 10.0);
    for (i, g) in layers.iter().enumerate() {
        let x = left + pitch * i as f64;
        let Progress { filled, made } = rings[i];
        let window = g.y.window(made);
        let read = window.start..window.start + window.taps as isize;
        let name = if i == 0 { "latent".to_owned() } else { g.input.to_string() };
        svg.text("head", [x, top - 30.0], &name);
        svg.text("note", [x, top - 12.0], &format!("ring {i}"));
        for row in 0..usize::from(g.input.height) {
            let is_kept = row < filled && row + g.ring_rows() >= filled;
            let class = match () {
                () if i == last && read.contains(&(row as isize)) => "orange",
                () if is_kept => "blue",
                () if row < filled => "grey",
                () => "",
            };
            svg.rect(class, [x, top + high * row as f64, wide, high]);
        }
        // The layer.
        let kind = match model.layers()[i].spec.op {
            Op::Dense { .. } => "dense".to_owned(),
            Op::Conv { kernel, .. } => format!("convolution {kernel}x{kernel}"),
            Op::ConvTranspose { kernel, .. } => format!("transposed {kernel}x{kernel}"),
        };
        svg.text("small middle", [x + (wide + pitch) / 2.0, top + 34.0], &format!("layer {i}"));
        for (line, word) in kind.split(' ').enumerate() {
            svg.text("small middle note", [x + (wide + pitch) / 2.0, top + 50.0 + 15.0 * line as f64], word);
        }
        svg.arrow(&[[x + wide + 6.0, top + 14.0], [x + pitch - 6.0, top + 14.0]]);
        let bottom = top + high * f64::from(g.input.height) + 18.0;
        let rows = format!("{} of {}", g.ring_rows(), g.input.height);
        svg.text("small", [x, bottom], &format!("{rows} {}", if g.input.height == 1 { "row" } else { "rows" }));
        svg.text("small", [x, bottom + 16.0], &format!("{} bytes", number(g.ring_len())));
    }
    let picture = layers[last].output;
    let x = left + pitch * layers.len() as f64;
    svg.text("head", [x, top - 30.0], "picture");
    svg.text("note", [x, top - 12.0], &picture.to_string());
    for row in 0..usize::from(picture.height) {
        let class = match row {
            row if row < ROW => "grey",
            row if row == ROW => "green strong",
            _ => "",
        };
        svg.rect(class, [x, top + high * row as f64, wide, high]);
    }
    let bottom = top + high * f64::from(picture.height) + 18.0;
    svg.text("small", [x, bottom], "one row at a time");
    svg.text("small", [x, bottom + 16.0], &format!("{} bytes a row", number(picture.row_len())));

    // The row that is being computed.
    let g = &layers[last];
    let window = g.y.window(ROW);
    let pixels = ARMV7EM.block(g.x.taps(0), g.x.positions(0), g.x.positions(0));
    let flow = 546.0;
    let boxes = [
        (
            "orange",
            format!("ring {last}"),
            format!("rows {} to {}, int8", window.start, window.start + window.taps as isize - 1),
        ),
        ("blue", "staging".to_owned(), format!("words for {pixels} pixels")),
        ("", "kernel".to_owned(), "weights from flash".to_owned()),
        ("", "requantise".to_owned(), "int32 to pixels".to_owned()),
        ("green", "row of pixels".to_owned(), format!("row {ROW}, to the display")),
    ];
    let (box_wide, box_pitch) = (160.0, 188.0);
    for (i, (class, name, note)) in boxes.iter().enumerate() {
        let x = left + box_pitch * i as f64;
        svg.rect(class, [x, flow, box_wide, 52.0]);
        svg.text("head middle", [x + box_wide / 2.0, flow + 22.0], name);
        svg.text("small middle", [x + box_wide / 2.0, flow + 41.0], note);
        if i + 1 < boxes.len() {
            svg.arrow(&[[x + box_wide + 3.0, flow + 26.0], [x + box_pitch - 3.0, flow + 26.0]]);
        }
    }
    svg.text(
        "head",
        [left, flow - 14.0],
        &format!("Layer {last} makes the row, {pixels} pixels at a time; then row {} begins:", ROW + 1),
    );

    // The workspace.
    let bar = 656.0;
    let total = memory.bytes();
    svg.text(
        "head",
        [left, bar - 14.0],
        &format!("The workspace on a Cortex-M4, to scale: {} bytes, with 3 for alignment", number(total)),
    );
    let scale = 900.0 / total as f64;
    let mut parts = vec![("blue", "staging".to_owned(), memory.staging * size_of::<u32>())];
    for (i, g) in layers.iter().enumerate() {
        parts.push(("grey", format!("ring {i}"), g.ring_len()));
    }
    parts.push(("green", "row".to_owned(), memory.row));
    let mut x = left;
    for (class, name, bytes) in parts {
        let wide = bytes as f64 * scale;
        svg.rect(class, [x, bar, wide, 30.0]);
        if wide > 60.0 {
            svg.text("middle", [x + wide / 2.0, bar + 20.0], &name);
            svg.text("small middle", [x + wide / 2.0, bar + 46.0], &number(bytes));
        } else {
            // Too narrow for a name: below it, with a line.
            svg.path("", &[[x + wide / 2.0, bar + 30.0], [x + wide / 2.0, bar + 52.0]]);
            svg.text("small middle", [x + wide / 2.0, bar + 66.0], &format!("{name}: {}", number(bytes)));
        }
        x += wide;
    }
    Ok(svg.finish())
}
