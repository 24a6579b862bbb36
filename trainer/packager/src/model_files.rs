//! The model as an array in C, and its header.

use std::fmt::Write as _;

use gen_core::Model;
use gen_core::plan::{ARMV7EM, ARMV7M, ARMV8_1M_MVE, KernelLayout, PORTABLE, X86_64};

/// `ribbit_model.h`.
pub fn header(file: &[u8], model: &Model<'_>) -> String {
    let most = |layouts: &[KernelLayout]| {
        layouts.iter().map(|layout| model.workspace_plan(layout).bytes()).max().unwrap_or_default()
    };
    let shape = model.output_shape();
    format!(
        "// The model {name}, in ribbit_model.c.\n\
         #ifndef RIBBIT_MODEL_H\n#define RIBBIT_MODEL_H\n\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         // Bytes of the model file.\n#define RIBBIT_MODEL_LEN {len}u\n\
         extern const uint8_t ribbit_model_bytes[RIBBIT_MODEL_LEN];\n\n\
         // Its pictures, in pixels, and bytes of a pixel: 1 is grey, 3 are red, green and blue.\n\
         #define RIBBIT_MODEL_WIDTH {width}\n#define RIBBIT_MODEL_HEIGHT {height}\n\
         #define RIBBIT_MODEL_CHANNELS {channels}\n// Its classes; 0 if it has none.\n\
         #define RIBBIT_MODEL_CLASSES {classes}\n\n\
         // Bytes of workspace: at least ribbit_workspace_len.\n\
         #if defined(__ARM_FEATURE_DSP)\n#define RIBBIT_MODEL_WORKSPACE_LEN {dsp}\n\
         #elif defined(__arm__)\n#define RIBBIT_MODEL_WORKSPACE_LEN {arm}\n\
         #else\n#define RIBBIT_MODEL_WORKSPACE_LEN {host}\n#endif\n\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
        // A name has no line breaks, and no backslash at the end of the line that would continue the comment.
        name = crate::plain_name(model),
        len = file.len(),
        width = shape.width,
        height = shape.height,
        channels = shape.channels,
        classes = model.classes().len(),
        dsp = most(&[ARMV7EM, ARMV7M, ARMV8_1M_MVE]),
        arm = most(&[ARMV7M, PORTABLE]),
        host = most(&[PORTABLE, X86_64]),
    )
}

/// `ribbit_model.c`.
pub fn source(file: &[u8]) -> String {
    let mut text = String::from(
        "#include \"ribbit_model.h\"\n\n__attribute__((aligned(4))) const uint8_t ribbit_model_bytes[RIBBIT_MODEL_LEN] = {\n",
    );
    for line in file.chunks(32) {
        for byte in line {
            let _ = write!(text, "{byte},"); // a String has no errors
        }
        text.push('\n');
    }
    text + "};\n"
}
