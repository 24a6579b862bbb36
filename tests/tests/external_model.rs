//! A model in external memory: the program finds it there, and rejects a wrong one.

use std::path::Path;

use anyhow::Result;
use firmware_app::picture::PARITY_SEEDS;
use firmware_tools::boards::{HEADLESS_BOARDS, LM3S6965EVB, MPS2_AN386};
use firmware_tools::build::{build, build_external};
use firmware_tools::pictures::{on_board, on_host};
use firmware_tools::qemu::{LIMIT, Options};

use crate::models;

fn options(model: Option<&Path>) -> Options {
    Options { external_model: model.map(Path::to_owned), limit: Some(LIMIT), ..Options::default() }
}

#[test]
fn it_draws_the_same_or_says_why_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let right = models::tiny()?;
    std::fs::write(path("right.gen"), &right)?;
    let mut damaged = right.clone();
    damaged[right.len() / 2] ^= 1;
    std::fs::write(path("damaged, badly.gen"), &damaged)?;
    gen_core::format::seal(&mut damaged)?;
    std::fs::write(path("other.gen"), &damaged)?;
    let mut longer = right.clone();
    longer.resize(right.len() + 16, 0);
    gen_core::format::seal(&mut longer)?;
    std::fs::write(path("longer.gen"), &longer)?;

    let host = on_host(&right, &PARITY_SEEDS)?;
    for board in HEADLESS_BOARDS {
        let program = build_external(board, "qemu-parity", &path("right.gen"))?;
        let (chip, _) = on_board(board, &program, &options(Some(&path("right.gen"))))?;
        assert!(chip == host, "{}", board.name);

        let length = format!("should be {} bytes long, found {}", longer.len(), right.len());
        for (model, says) in [
            (None, "no model in memory: not a model file"),
            (Some("damaged, badly.gen"), "no model in memory: the model is damaged: its checksum does not match"),
            (Some("other.gen"), "another model in memory than the program was built for"),
            (Some("longer.gen"), &length),
        ] {
            let model = model.map(path);
            let said = on_board(board, &program, &options(model.as_deref()))
                .map_or_else(|e| e.to_string(), |_| "nothing".into());
            assert!(said.contains("returned 1") && said.contains(says), "{}, {model:?}: {said}", board.name);
        }
    }
    Ok(())
}

#[test]
fn a_board_without_external_memory_is_refused() -> Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pocket-drawn/model.gen");
    let said = build_external(LM3S6965EVB, "qemu-parity", &model).map_or_else(|e| e.to_string(), |_| "nothing".into());
    assert!(said.contains("lm3s6965evb has no memory for an external model"), "{said}");
    Ok(())
}

#[test]
fn a_program_with_a_model_of_its_own_takes_no_other() -> Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pocket-drawn/model.gen");
    let program = build(MPS2_AN386, "qemu-parity", None)?;
    let said =
        on_board(MPS2_AN386, &program, &options(Some(&model))).map_or_else(|e| e.to_string(), |_| "nothing".into());
    assert!(said.contains("the program has a model of its own"), "{said}");
    Ok(())
}
