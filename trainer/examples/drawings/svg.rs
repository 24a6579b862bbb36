//! A minimal SVG writer: rectangles, lines, arrows and text, in colours for light and dark pages.

use std::fmt::Write as _;

/// Colours and fonts. A drawing has a background of its own, so it is readable on any page; which of the two sets
/// of colours is used follows the browser's setting.
const STYLE: &str = "\
:root { --paper: #ffffff; --ink: #1f2328; --muted: #59636e; --line: #818b98; --grey: #e6eaef; \
--blue: #cfe3ff; --blue-line: #2563c0; --orange: #ffdcb0; --orange-line: #b85c00; --green: #c9ecd0; --green-line: #1f7a34 }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --muted: #a4acb6; --line: #6e7681; \
--grey: #2a313a; --blue: #163b69; --blue-line: #6cb0ff; --orange: #5a370b; --orange-line: #f0a04b; \
--green: #174a24; --green-line: #5fcf72 } }
text { font-family: system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif; font-size: 14px; fill: var(--ink) }
.title { font-size: 17px; font-weight: 600 }
.head { font-size: 15px; font-weight: 600 }
.note { fill: var(--muted) }
.code { font-family: ui-monospace, 'Liberation Mono', monospace; font-size: 13px }
.small { font-size: 13px }
.middle { text-anchor: middle }
.end { text-anchor: end }
rect { fill: none; stroke: var(--line); stroke-width: 1 }
.paper { fill: var(--paper); stroke: none }
.grey { fill: var(--grey) }
.blue { fill: var(--blue); stroke: var(--blue-line) }
.orange { fill: var(--orange); stroke: var(--orange-line) }
.green { fill: var(--green); stroke: var(--green-line) }
.strong { stroke: var(--ink); stroke-width: 2 }
.dashed { stroke-dasharray: 4 3 }
path { fill: none; stroke: var(--line); stroke-width: 1.5 }
path.blue { fill: none; stroke: var(--blue-line) }
path.orange { fill: none; stroke: var(--orange-line) }
marker path { fill: var(--line); stroke: none }";

/// A drawing that is being made. Lengths are in pixels; classes are those of the style, such as `"head middle"`.
#[derive(Debug)]
pub struct Svg {
    width: u32,
    height: u32,
    title: &'static str,
    body: String,
}

impl Svg {
    /// An empty drawing; `title` is for screen readers.
    pub fn new(width: u32, height: u32, title: &'static str) -> Self {
        Self { width, height, title, body: String::new() }
    }

    /// A rectangle: left, top, width, height.
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4]) {
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    /// A line of text whose baseline is at `y`.
    pub fn text(&mut self, class: &str, [x, y]: [f64; 2], text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(self.body, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
    }

    /// Lines of text, 18 pixels apart.
    pub fn lines(&mut self, class: &str, [x, y]: [f64; 2], lines: &[&str]) {
        for (i, line) in lines.iter().enumerate() {
            self.text(class, [x, y + 18.0 * i as f64], line);
        }
    }

    /// A line through the points.
    pub fn path(&mut self, class: &str, points: &[[f64; 2]]) {
        self.polyline(class, points, "");
    }

    /// A line through the points with an arrowhead at its end.
    pub fn arrow(&mut self, points: &[[f64; 2]]) {
        self.polyline("", points, " marker-end=\"url(#head)\"");
    }

    fn polyline(&mut self, class: &str, points: &[[f64; 2]], marker: &str) {
        let points: Vec<_> = points.iter().map(|[x, y]| format!("{x:.1} {y:.1}")).collect();
        let _ = writeln!(self.body, "<path class=\"{class}\" d=\"M {}\"{marker}/>", points.join(" L "));
    }

    /// The file's text.
    pub fn finish(self) -> String {
        let Self { width, height, title, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{title}</title>\n<style>\n{STYLE}\n</style>\n<defs><marker \
             id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M 0 0 L 10 5 L 0 10 z\"/></marker></defs>\n<rect class=\"paper\" x=\"0\" \
             y=\"0\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
        )
    }
}

/// Formats a number with separators: 4,271.
pub fn number(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
