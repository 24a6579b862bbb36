//! The functions that C calls. `unsafe` is allowed in this file: each function takes pointers, and checks of them what can
//! be checked. The rest are the rules of the header, which every `Safety` section repeats.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};
use core::ptr;
use core::slice;

use gen_core::spec::MAX_CLASS_NAME;
use gen_core::{ClassMix, Engine, Latent, Model};

use crate::model::{Contents, RibbitModel, State, TAG};
use crate::status::RibbitStatus;

/// Reads and checks a model file of `len` bytes. The bytes begin at a multiple of 4, as `__attribute__((aligned(4)))` makes
/// them, and are not copied: they must stay where they are, unchanged, while `model` is used.
///
/// Everything about the model is checked here, so that drawing cannot fail. `model` may hold another model before; if the
/// result is not `RIBBIT_STATUS_OK`, it holds none after.
///
/// # Safety
/// `model` points to a `RibbitModel` that nobody else uses during the call, `bytes` to `len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_model_parse(model: *mut RibbitModel, bytes: *const u8, len: usize) -> RibbitStatus {
    let contents = model.cast::<Contents>();
    if contents.is_null() || bytes.is_null() {
        return RibbitStatus::Null;
    }
    if !contents.is_aligned() {
        return RibbitStatus::NoModel;
    }
    // SAFETY: not null, aligned, and a `RibbitModel` is as large as `Contents`. Only the tag is written, because the memory
    // may hold anything.
    unsafe { (&raw mut (*contents).tag).write(0) };
    let start = bytes.addr();
    if isize::try_from(len).is_err() || start.checked_add(len).is_none() {
        return RibbitStatus::Length;
    }
    let file = (start, len);
    if overlap(file, (contents.addr(), size_of::<RibbitModel>())) {
        return RibbitStatus::Workspace;
    }
    // SAFETY: `len` readable bytes, as the caller promises; the length was checked. They stay unchanged while the model is
    // used, which is what `'static` stands for here.
    let bytes = unsafe { slice::from_raw_parts(bytes, len) };
    match Model::parse(bytes) {
        Ok(parsed) => {
            // SAFETY: as above. What was there needs no drop: a model owns nothing.
            unsafe { contents.write(Contents { tag: TAG, file, state: State::Parsed(parsed) }) };
            RibbitStatus::Ok
        }
        Err(e) => e.into(),
    }
}

/// Bytes of workspace that drawing needs: a few rows of each layer. The number depends on the processor. 0 if `model` holds
/// no model.
///
/// # Safety
/// `model` is null or points to a `RibbitModel`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_workspace_len(model: *const RibbitModel) -> usize {
    // SAFETY: as the caller promises.
    unsafe { parsed(model) }.map_or(0, Model::workspace_len)
}

/// Width of the pictures in pixels; 0 if `model` holds no model.
///
/// # Safety
/// `model` is null or points to a `RibbitModel`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_width(model: *const RibbitModel) -> usize {
    // SAFETY: as the caller promises.
    unsafe { parsed(model) }.map_or(0, |model| model.output_shape().width.into())
}

/// Height of the pictures in pixels; 0 if `model` holds no model.
///
/// # Safety
/// `model` is null or points to a `RibbitModel`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_height(model: *const RibbitModel) -> usize {
    // SAFETY: as the caller promises.
    unsafe { parsed(model) }.map_or(0, |model| model.output_shape().height.into())
}

/// Bytes of a pixel: 1 for its brightness (0 is black), 3 for red, green and blue; 0 if `model` holds no model.
///
/// # Safety
/// `model` is null or points to a `RibbitModel`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_channels(model: *const RibbitModel) -> usize {
    // SAFETY: as the caller promises.
    unsafe { parsed(model) }.map_or(0, |model| model.output_shape().channels.into())
}

/// Number of classes, 2 to 64; 0 if the model has none, or `model` holds no model.
///
/// # Safety
/// `model` is null or points to a `RibbitModel`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_class_count(model: *const RibbitModel) -> usize {
    // SAFETY: as the caller promises.
    unsafe { parsed(model) }.map_or(0, |model| model.classes().len())
}

/// Writes the name of a class to `text`, in UTF-8 and with a zero at the end, and returns its length without the zero. A
/// name that is longer than `size - 1` bytes is cut; `RIBBIT_CLASS_NAME_SIZE` bytes hold every name. 0, and an empty text,
/// if there is no such class.
///
/// # Safety
/// `model` is null or points to a `RibbitModel`, `text` is null or points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_class_name(
    model: *const RibbitModel,
    class_number: u8,
    text: *mut c_char,
    size: usize,
) -> usize {
    if text.is_null() || size == 0 {
        return 0;
    }
    // SAFETY: as the caller promises.
    let name = unsafe { parsed(model) }.and_then(|model| model.classes().name(class_number)).unwrap_or_default();
    let mut len = name.len().min(size - 1);
    while !name.is_char_boundary(len) {
        len -= 1; // ends at 0, which is a boundary
    }
    // SAFETY: `len + 1` bytes, at most `size`. The name lies in the bytes of the model, which nobody writes.
    unsafe {
        ptr::copy(name.as_ptr(), text.cast::<u8>(), len);
        text.add(len).write(0);
    }
    len
}

/// Bytes that hold the name of any class, with the zero at its end.
pub const RIBBIT_CLASS_NAME_SIZE: usize = 65;
const _: () = assert!(RIBBIT_CLASS_NAME_SIZE == MAX_CLASS_NAME + 1);

/// The number of the class with this name, which ends with a zero: the same name, or else the first that differs only in the
/// case of its ASCII letters. -1 if there is none.
///
/// # Safety
/// `model` is null or points to a `RibbitModel`, `name` is null or points to a text that ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_find_class(model: *const RibbitModel, name: *const c_char) -> i32 {
    if name.is_null() {
        return -1;
    }
    let mut len = 0;
    // SAFETY: the bytes up to the zero are readable, and no byte behind it is read.
    while len <= MAX_CLASS_NAME && unsafe { name.add(len).read() } != 0 {
        len += 1;
    }
    if len > MAX_CLASS_NAME {
        return -1;
    }
    // SAFETY: these bytes have just been read.
    let name = unsafe { slice::from_raw_parts(name.cast::<u8>(), len) };
    let Ok(name) = str::from_utf8(name) else { return -1 };
    // SAFETY: as the caller promises.
    unsafe { parsed(model) }.and_then(|model| model.classes().find(name)).map_or(-1, i32::from)
}

/// Starts picture number `number`, which is the same on every machine. `class_number` is the class to draw, from 0 on; 0 for
/// a model without classes. `ribbit_next_row` then computes its rows.
///
/// `workspace` has `len` bytes, at least `ribbit_workspace_len`, at any address, with any contents. It must stay where it is
/// until the last row, and nobody else may write to it. A picture need not be finished before the next one is started.
///
/// # Safety
/// `model` points to a `RibbitModel` that nobody else uses during the call, `workspace` to `len` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_start(
    model: *mut RibbitModel,
    workspace: *mut i8,
    len: usize,
    number: u32,
    class_number: u8,
) -> RibbitStatus {
    // SAFETY: as the caller promises.
    unsafe {
        start(model, (workspace, len), class_number, class_number, |model| {
            model.latent(number).with_class(class_number)
        })
    }
}

/// Like `ribbit_start`, with a mixture of two classes: `share` is that of the second in 256ths, from 0 to 256.
///
/// # Safety
/// As `ribbit_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_start_mix(
    model: *mut RibbitModel,
    workspace: *mut i8,
    len: usize,
    number: u32,
    from_class: u8,
    to_class: u8,
    share: u16,
) -> RibbitStatus {
    // SAFETY: as the caller promises.
    unsafe {
        start(model, (workspace, len), from_class, to_class, |model| {
            model.latent(number).with_mix(ClassMix::between(from_class, to_class, share))
        })
    }
}

/// Starts a picture between two others: `share` is that of the second in 256ths. From 0 to 256 the first one changes into
/// the second, and its class into the other class.
///
/// # Safety
/// As `ribbit_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_start_between(
    model: *mut RibbitModel,
    workspace: *mut i8,
    len: usize,
    from_number: u32,
    from_class: u8,
    to_number: u32,
    to_class: u8,
    share: u16,
) -> RibbitStatus {
    // SAFETY: as the caller promises.
    unsafe {
        start(model, (workspace, len), from_class, to_class, |model| {
            let from = model.latent(from_number).with_class(from_class);
            from.toward(&model.latent(to_number).with_class(to_class), share)
        })
    }
}

/// Computes the next row of the picture, from top to bottom. `row` receives its address: `ribbit_width` pixels of
/// `ribbit_channels` bytes, from left to right, which are valid until the next call with this model. Returns the number of
/// bytes; 0 after the last row, or if no picture was started.
///
/// # Safety
/// `model` is null or points to a `RibbitModel` that nobody else uses during the call, whose workspace and bytes are still
/// there; `row` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ribbit_next_row(model: *mut RibbitModel, row: *mut *const u8) -> usize {
    if row.is_null() {
        return 0;
    }
    // SAFETY: as the caller promises.
    let Some(Contents { state: State::Drawing(engine, _), .. }) = (unsafe { contents(model) }) else { return 0 };
    let mut rows = engine.rows();
    let bytes = rows.next().map_or(&[][..], |pixels| pixels.bytes());
    // SAFETY: a pointer to write to, as the caller promises; it need not be aligned.
    unsafe { row.write_unaligned(if bytes.is_empty() { ptr::null() } else { bytes.as_ptr() }) };
    bytes.len()
}

/// A sentence for people that says what a status means, in English and with a zero at its end. Any number may be given.
#[unsafe(no_mangle)]
pub extern "C" fn ribbit_status_text(status: i32) -> *const c_char {
    let text: &'static CStr = RibbitStatus::text(status);
    text.as_ptr()
}

/// What a `RibbitModel` holds; `None` if the pointer is null or not aligned, or if there is no model.
///
/// # Safety
/// The pointer is null or points to a `RibbitModel` that nobody else uses during `'a`.
unsafe fn contents<'a>(model: *mut RibbitModel) -> Option<&'a mut Contents> {
    let contents = model.cast::<Contents>();
    // SAFETY: the tag is read if the pointer is neither null nor misaligned; it is a number, which any memory holds. If it is
    // ours, `ribbit_model_parse` has written the rest.
    unsafe {
        let is_model = !contents.is_null() && contents.is_aligned() && (&raw const (*contents).tag).read() == TAG;
        is_model.then(|| &mut *contents)
    }
}

/// The model in a `RibbitModel`, if there is one.
///
/// # Safety
/// The pointer is null or points to a `RibbitModel` that nobody else changes during `'a`.
unsafe fn parsed<'a>(model: *const RibbitModel) -> Option<&'a Model<'static>> {
    let contents = model.cast::<Contents>();
    // SAFETY: as in `contents`.
    unsafe {
        let is_model = !contents.is_null() && contents.is_aligned() && (&raw const (*contents).tag).read() == TAG;
        is_model.then(|| (*contents).state.model())
    }
}

/// Whether two ranges of memory, address and length, have a byte in common.
fn overlap(a: (usize, usize), b: (usize, usize)) -> bool {
    let starts_in = |(start, _): (usize, usize), (other, len): (usize, usize)| start.wrapping_sub(other) < len;
    (starts_in(a, b) && a.1 > 0) || (starts_in(b, a) && b.1 > 0)
}

/// Makes an engine if there is none with this workspace, and starts a picture.
///
/// # Safety
/// As `ribbit_start`.
unsafe fn start(
    model: *mut RibbitModel,
    (workspace, len): (*mut i8, usize),
    from_class: u8,
    to_class: u8,
    latent: impl FnOnce(&Model<'_>) -> Latent,
) -> RibbitStatus {
    if model.is_null() || workspace.is_null() {
        return RibbitStatus::Null;
    }
    // SAFETY: as the caller promises.
    let Some(Contents { file, state, .. }) = (unsafe { contents(model) }) else { return RibbitStatus::NoModel };
    let last = state.model().classes().len().saturating_sub(1);
    if usize::from(from_class.max(to_class)) > last {
        return RibbitStatus::NoSuchClass;
    }
    let latent = latent(state.model());
    let place = (workspace.addr(), len);
    match state {
        State::Drawing(engine, same) if *same == place => {
            engine.start(&latent);
        }
        _ => {
            let needed = state.model().workspace_len();
            if len < needed
                || place.0.checked_add(needed).is_none()
                || overlap((place.0, needed), (model.addr(), size_of::<RibbitModel>()))
                || overlap((place.0, needed), *file)
            {
                return RibbitStatus::Workspace;
            }
            // SAFETY: `needed` of the writable bytes, which overlap neither the model nor its struct, and which nobody else
            // writes to while the picture is drawn. They are filled with zeros first, so that none is uninitialised.
            let workspace = unsafe {
                workspace.write_bytes(0, needed);
                slice::from_raw_parts_mut(workspace, needed)
            };
            match Engine::new(state.model().clone(), workspace) {
                Ok(mut engine) => {
                    engine.start(&latent);
                    *state = State::Drawing(engine, place);
                }
                Err(e) => return e.into(),
            }
        }
    }
    RibbitStatus::Ok
}
