//! Block, tap, quad and plane, for the last layer of the model.

use anyhow::{Result, ensure};
use gen_core::Model;
use gen_core::plan::ARMV7EM;

use super::svg::Svg;

/// Left edge of the rows of pixels.
const LEFT: f64 = 190.0;

/// The drawing.
pub fn draw(model: &Model<'_>) -> Result<String> {
    let layers = model.layers();
    let index = layers.len() - 1;
    let g = &layers[index].geometry;
    let (rows, taps, quads, words) = (g.y.max_taps(), g.x.taps(0), g.quads(), ARMV7EM.words_per_quad);
    let count = g.x.positions(0);
    ensure!(
        ARMV7EM.is_toeplitz(g) && g.x.phases() == 1 && words == 2,
        "the last layer is no convolution with stride 1"
    );
    let pixels = ARMV7EM.block(taps, count, count);
    ensure!(
        rows <= 3 && taps <= 5 && quads <= 4 && pixels <= 8 && count <= 32 && count >= 2 * pixels,
        "the last layer is larger than the drawing has room for"
    );
    // The second block of the row, and an output pixel in it.
    let block = pixels;
    let pixel = block + 2;
    let window = g.x.window(block);
    let columns = pixels + taps - 1;
    let planes = rows * quads * words;

    let mut svg = Svg::new(960, 810, "Block, tap, quad and plane");
    let channels = g.input.channels;
    svg.text(
        "title",
        [24.0, 34.0],
        &format!(
            "Layer {index} of {} on a Cortex-M4: convolution {rows}x{taps}, {} to {}",
            model.name(),
            g.input,
            g.output
        ),
    );

    let cell = 22.0;
    let x = |column: usize| LEFT + cell * column as f64;
    // The output row.
    let top = 62.0;
    svg.text("head", [24.0, top + 16.0], "output row");
    for column in 0..count {
        let class = if (block..block + pixels).contains(&column) { "blue" } else { "" };
        svg.rect(class, [x(column), top, cell, cell]);
    }
    for first in (0..count).step_by(pixels) {
        svg.rect("strong", [x(first), top, cell * pixels.min(count - first) as f64, cell]);
    }
    svg.rect("orange strong", [x(pixel), top, cell, cell]);
    svg.text(
        "",
        [LEFT, top - 8.0],
        &format!("{count} pixels, computed in {} blocks of {pixels}", count.div_ceil(pixels)),
    );

    // The input rows.
    let inputs = 134.0;
    svg.text("head", [24.0, inputs + 16.0], "input rows");
    svg.lines("note", [24.0, inputs + 36.0], &[&format!("the {rows} rows that"), "the ring holds"]);
    let staged = window.start as usize..window.start as usize + columns;
    let seen = g.x.window(pixel);
    let seen = seen.start as usize..seen.start as usize + seen.taps;
    for row in 0..rows {
        for column in 0..usize::from(g.input.width) {
            let class = match column {
                column if seen.contains(&column) => "orange",
                column if staged.contains(&column) => "blue",
                _ => "",
            };
            svg.rect(class, [x(column), inputs + cell * row as f64, cell, cell]);
        }
    }
    let height = cell * rows as f64;
    svg.rect("strong", [x(seen.start), inputs, cell * taps as f64, height]);
    for (output, input) in [(block, staged.start), (block + pixels, staged.end)] {
        svg.path("blue", &[[x(output), top + cell], [x(input), inputs]]);
    }
    let below = inputs + height;
    svg.path("blue", &[[x(staged.start), below + 6.0], [x(staged.end), below + 6.0]]);
    svg.text("", [x(seen.end) + 8.0, below + 24.0], &format!("{columns} columns are staged for the block"));
    let middle = (x(seen.start) + x(seen.end)) / 2.0;
    svg.path("orange", &[[middle, below], [middle, below + 34.0]]);
    svg.text(
        "",
        [x(staged.start), below + 48.0],
        &format!("tap: one of the {rows} x {taps} kernel positions that an output pixel reads"),
    );

    // An input pixel.
    let zoom = 296.0;
    svg.text("head", [24.0, zoom + 18.0], "one input pixel");
    svg.text("note", [24.0, zoom + 38.0], &format!("{channels} channels, int8"));
    let (wide, gap) = (40.0, 14.0);
    let channel = |c: usize| LEFT + wide * c as f64 + gap * (c / 4) as f64;
    for c in 0..usize::from(channels) {
        let class = if c < 4 { "green" } else { "" };
        svg.rect(class, [channel(c), zoom, wide, 26.0]);
        svg.text("middle", [channel(c) + wide / 2.0, zoom + 18.0], &format!("c{c}"));
    }
    for q in 0..quads {
        svg.text("middle", [channel(4 * q) + 2.0 * wide, zoom - 8.0], &format!("quad {q}"));
    }
    let staged_quad = zoom + 66.0;
    for (w, pair) in [["c0", "c2"], ["c1", "c3"]].into_iter().enumerate() {
        let left = channel(0) + (4.0 * wide + gap) * w as f64;
        for (half, name) in pair.into_iter().enumerate() {
            svg.rect("green", [left + 2.0 * wide * half as f64, staged_quad, 2.0 * wide, 26.0]);
            svg.text("middle", [left + wide * (2 * half + 1) as f64, staged_quad + 18.0], name);
        }
        svg.arrow(&[[channel(0) + 2.0 * wide, zoom + 26.0], [left + 2.0 * wide, staged_quad - 3.0]]);
        svg.text("note middle", [left + 2.0 * wide, staged_quad + 44.0], &format!("word {w}: two int16"));
    }
    svg.lines(
        "",
        [channel(0) + 8.0 * wide + 2.0 * gap + 14.0, staged_quad - 10.0],
        &[
            "quad: four channels of a pixel in one 32-bit word.",
            &format!("On a Cortex-M4 it is staged as {words} words, because"),
            "one SMLAD multiplies two int16 by two int16.",
        ],
    );

    // Staging.
    let staging = 462.0;
    svg.text("head", [24.0, staging + 4.0], "staging");
    svg.lines(
        "note",
        [24.0, staging + 24.0],
        &[
            &format!("{planes} planes ="),
            &format!("{rows} tap rows x"),
            &format!("{quads} quads x"),
            &format!("{words} words"),
        ],
    );
    let (strip, step) = (15.0, 16.0);
    let planes_top = staging - 8.0;
    for plane in 0..planes {
        let y = planes_top + step * plane as f64 + 8.0 * (plane / (quads * words)) as f64;
        for column in 0..columns {
            let class = if plane == 0 { "green" } else { "blue" };
            svg.rect(class, [LEFT + cell * column as f64, y, cell, strip]);
        }
        if plane.is_multiple_of(quads * words) {
            let row = plane / (quads * words);
            svg.text("note small end", [LEFT - 8.0, y + 12.0], &format!("tap row {row}"));
        }
    }
    let bottom = planes_top + step * planes as f64 + 8.0 * (rows - 1) as f64;
    svg.text("", [LEFT, bottom + 20.0], &format!("plane: one word of {columns} neighbouring pixels"));

    // The kernel.
    let (matrix_left, matrix_top) = (510.0, staging + 56.0);
    let (wide, high) = (32.0, 24.0);
    svg.lines("", [matrix_left, staging + 4.0], &["One plane times the taps of a row, for one channel:"]);
    svg.text("note", [matrix_left, staging + 24.0], "sums of the block (down), words of the plane (across)");
    for i in 0..pixels {
        for j in 0..columns {
            let rect = [matrix_left + 64.0 + wide * j as f64, matrix_top + high * i as f64, wide, high];
            let tap = j.checked_sub(i).filter(|&tap| tap < taps);
            svg.rect(if tap.is_some() { "orange" } else { "" }, rect);
            if let Some(tap) = tap {
                svg.text("middle", [rect[0] + wide / 2.0, rect[1] + 17.0], &format!("w{tap}"));
            }
        }
        svg.text("end", [matrix_left + 54.0, matrix_top + high * i as f64 + 17.0], &format!("sum {i}"));
    }
    for j in 0..columns {
        svg.rect("green", [matrix_left + 64.0 + wide * j as f64, matrix_top - 20.0, wide, 16.0]);
    }
    svg.lines(
        "",
        [matrix_left, matrix_top + high * pixels as f64 + 26.0],
        &[
            "Equal diagonals: a Toeplitz matrix. Each word is",
            &format!("loaded once and meets all {taps} taps;"),
            &format!("the {pixels} sums stay in registers."),
        ],
    );
    Ok(svg.finish())
}
