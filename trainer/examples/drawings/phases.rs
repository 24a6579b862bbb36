//! The phases of a transposed convolution, for the widest one of the model.

use anyhow::{Context as _, Result, ensure};
use gen_core::Model;
use gen_core::plan::ARMV7EM;
use gen_core::spec::Op;

use super::svg::Svg;

/// The drawing.
pub fn draw(model: &Model<'_>) -> Result<String> {
    let (index, layer) = (model.layers().iter().enumerate())
        .rfind(|(_, layer)| matches!(layer.spec.op, Op::ConvTranspose { .. }))
        .context("the model has no transposed convolution")?;
    let g = &layer.geometry;
    let (phases, taps) = (g.x.phases(), g.x.taps(0));
    ensure!(phases == 2 && taps == 2, "the drawing is of a 4x4 kernel with stride 2");
    let kernel = g.x.kernel;
    let count = g.x.positions(0);
    let pixels = ARMV7EM.block(taps, count, count);

    let mut svg = Svg::new(960, 330, "Phases of a transposed convolution");
    svg.text(
        "title",
        [24.0, 34.0],
        &format!(
            "Layer {index} of {}: transposed convolution {kernel}x{kernel}, {} to {}",
            model.name(),
            g.input,
            g.output
        ),
    );
    let cell = 64.0;
    let left = 190.0;
    let shown = 6; // input columns
    let (inputs, outputs) = (86.0, 206.0);
    let first = g.x.window(0).start;
    // Input column `first` is over the edge.
    let x_in = |column: isize| left + cell * (column - first) as f64;
    let half = cell / 2.0;
    let x_out = |column: usize| left + half + half * column as f64;
    svg.text("head", [24.0, inputs + 18.0], "input row");
    svg.text("note", [24.0, inputs + 38.0], &format!("{} pixels", g.input.width));
    for column in 0..shown {
        let column = first + column;
        let class = if column < 0 { "dashed" } else { "grey" };
        svg.rect(class, [x_in(column), inputs, cell, 28.0]);
        let name = if column < 0 { "edge".to_owned() } else { column.to_string() };
        svg.text("small middle", [x_in(column) + half, inputs + 18.0], &name);
    }
    svg.text("note", [x_in(first + shown) + 10.0, inputs + 18.0], "...");
    svg.text("head", [24.0, outputs + 18.0], "output row");
    svg.text("note", [24.0, outputs + 38.0], &format!("{} pixels", g.output.width));
    for column in 0..2 * shown as usize - 3 {
        let class = if g.x.window(column).phase == g.x.window(0).phase { "blue" } else { "orange" };
        svg.rect(class, [x_out(column), outputs, half, 28.0]);
        svg.text("small middle", [x_out(column) + half / 2.0, outputs + 18.0], &column.to_string());
    }
    svg.text("note", [x_out(2 * shown as usize - 3) + 10.0, outputs + 18.0], "...");
    // Two neighbouring outputs and what they read.
    for column in [4, 5] {
        let window = g.x.window(column);
        let class = if window.phase == g.x.window(0).phase { "blue" } else { "orange" };
        let at = x_out(column) + half / 2.0;
        for tap in 0..window.taps {
            let source = window.start + tap as isize;
            let weight = g.x.kernel_index(window.phase, tap);
            let shift = if class == "blue" { -16.0 } else { 16.0 };
            let top = [x_in(source) + half + shift, inputs + 28.0];
            svg.path(class, &[top, [at, outputs]]);
            let label = [top[0] + (at - top[0]) * 0.35, top[1] + (outputs - top[1]) * 0.35];
            svg.rect("paper", [label[0] - 12.0, label[1] - 11.0, 24.0, 16.0]);
            svg.text("small middle", [label[0], label[1] + 1.0], &format!("w{weight}"));
        }
    }
    svg.lines(
        "",
        [620.0, inputs + 10.0],
        &[
            &format!("Each output reads {taps} of the {kernel} taps along a row."),
            &format!("Which ones depends on its phase; there are {phases}."),
            "",
            "Phase group: windows of both phases begin",
            "one column apart and share staged pixels.",
            &format!("A block is {pixels} outputs of one phase."),
        ],
    );
    let legend = 274.0;
    for (i, phase) in (0..phases).enumerate() {
        let column = phase;
        let window = g.x.window(column);
        let class = if i == 0 { "blue" } else { "orange" };
        let taps: Vec<_> = (0..window.taps).map(|t| format!("w{}", g.x.kernel_index(window.phase, t))).collect();
        let y = legend + 24.0 * i as f64;
        svg.rect(class, [left, y - 12.0, 16.0, 16.0]);
        svg.text(
            "",
            [left + 26.0, y + 1.0],
            &format!(
                "phase {}: outputs {column}, {}, {}, ... are a convolution with taps {}",
                window.phase,
                column + phases,
                column + 2 * phases,
                taps.join(" and ")
            ),
        );
    }
    Ok(svg.finish())
}
