//! What must hold for any bytes: used by the tests and by the fuzz target.

use gen_core::aligned;
use gen_core::{ClassMix, Engine, Latent, Model, Pixels};

/// Parses `blob`. A valid model must draw a whole picture in the workspace that it requires. Returns whether the model is
/// valid.
pub fn exercise(blob: &[u8]) -> bool {
    let blob = aligned(blob);
    let Ok(model) = Model::parse(&blob) else { return false };
    let shape = model.output_shape();
    let mut workspace = vec![0x55; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace).expect("as much as the model asks for");
    let mut rows = 0;
    let classes = model.classes();
    assert!(classes.names().count() == classes.len() && classes.row(u8::MAX).len() == classes.width());
    assert!(classes.names().all(|name| classes.find(name).is_some()));
    let mix = ClassMix::between(0, u8::MAX, 77);
    engine.generate(&Latent::from_seed(1, model.latent_len()).with_mix(mix), |y, row| {
        assert_eq!((y, row.bytes().len()), (rows, shape.row_len()));
        assert_eq!(matches!(row, Pixels::Grey(_)), shape.channels == 1);
        rows += 1;
    });
    assert_eq!(rows, usize::from(shape.height));
    true
}
