//! The page to play with a model in a browser: its files, and one self-contained file with a model in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The page, which refers to the other files.
pub const PAGE: &str = include_str!("../index.html");
/// Its style sheet.
pub const STYLE: &str = include_str!("../style.css");
/// Its program.
pub const SCRIPT: &str = include_str!("../page.js");
/// The WebAssembly module that draws; `./web/build.sh` builds it from `web/player`.
pub const PLAYER: &[u8] = include_bytes!("../player.wasm");

/// The elements of [`PAGE`] that load the other files.
const STYLE_LINK: &str = "<link rel=\"stylesheet\" href=\"style.css\">";
const SCRIPT_LINK: &str = "<script src=\"page.js\"></script>";

/// The page as one file that needs no other: it contains the model `model`, which it calls `name`.
pub fn self_contained(name: &str, model: &[u8]) -> String {
    let style = format!("<style>\n{STYLE}</style>");
    let script = format!(
        "<script type=\"text/plain\" id=\"embedded-player\">{}</script>\n\
         <script type=\"text/plain\" id=\"embedded-model\" data-name=\"{}\">{}</script>\n\
         <script>\n{SCRIPT}</script>",
        STANDARD.encode(PLAYER),
        escape(name),
        STANDARD.encode(model)
    );
    PAGE.replacen(STYLE_LINK, &style, 1).replacen(SCRIPT_LINK, &script, 1)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_everything_and_loads_nothing() {
        for link in [STYLE_LINK, SCRIPT_LINK] {
            assert_eq!(PAGE.matches(link).count(), 1, "{link}");
        }
        let page = self_contained("a \"<b>\"", b"RBGN");
        for part in
            ["data-name=\"a &quot;&lt;b&gt;&quot;\">UkJHTg==</script>", "id=\"embedded-player\">AGFzb", STYLE, SCRIPT]
        {
            assert!(page.contains(part), "{}", &part[..30]);
        }
        for link in [STYLE_LINK, SCRIPT_LINK, "http:", "https:", " src=", "@import", "url("] {
            assert!(!page.contains(link), "{link}");
        }
        assert_eq!(page.matches("</script>").count(), 3, "the program does not end its own element");
    }

    #[test]
    fn the_module_names_no_folder_of_the_machine_that_built_it() {
        for folder in ["/home/", "/root/", "/work/", "/Users/", ".cargo/registry"] {
            assert!(!PLAYER.windows(folder.len()).any(|window| window == folder.as_bytes()), "{folder}");
        }
    }
}
