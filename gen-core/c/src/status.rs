//! What the functions return.

use core::ffi::CStr;

use gen_core::{EngineError, ParseError};

/// What a function returns: 0 if it worked, else the reason why not. `ribbit_status_text` has a sentence for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum RibbitStatus {
    /// It worked.
    Ok = 0,
    /// A pointer is null.
    Null = 1,
    /// The bytes are not a model: they do not begin with RBGN.
    NotAModel = 2,
    /// The bytes of the model do not begin at a multiple of 4. Write `__attribute__((aligned(4)))` before the array.
    Alignment = 3,
    /// The model has a version of the format that this library does not read.
    Version = 4,
    /// The model is shorter or longer than it says.
    Length = 5,
    /// The model is damaged: its checksum does not match.
    Checksum = 6,
    /// The model has layers or numbers that are not allowed.
    Contents = 7,
    /// The model has weights with Winograd's transform, and the library was built without it.
    Winograd = 8,
    /// The struct holds no model: call `ribbit_model_parse` first. A struct that is not aligned holds none either.
    NoModel = 9,
    /// The workspace has fewer than `ribbit_workspace_len` bytes, or overlaps the model.
    Workspace = 10,
    /// The processor does not have the instructions of this library. Take the library for this processor.
    Processor = 11,
    /// The model does not have a class with this number.
    NoSuchClass = 12,
}

impl RibbitStatus {
    /// A sentence for people.
    pub(crate) const fn text(status: i32) -> &'static CStr {
        const ALL: [(RibbitStatus, &CStr); 13] = [
            (RibbitStatus::Ok, c"it worked"),
            (RibbitStatus::Null, c"a pointer is null"),
            (RibbitStatus::NotAModel, c"not a model: the bytes do not begin with RBGN"),
            (RibbitStatus::Alignment, c"the model must begin at a multiple of 4: align its bytes"),
            (
                RibbitStatus::Version,
                c"the model has another version of the format: export it again, or update the library",
            ),
            (RibbitStatus::Length, c"the model is shorter or longer than it says"),
            (RibbitStatus::Checksum, c"the model is damaged: its checksum does not match"),
            (RibbitStatus::Contents, c"the model has layers or numbers that are not allowed: export it again"),
            (RibbitStatus::Winograd, c"the model needs a library that was built with the feature winograd"),
            (RibbitStatus::NoModel, c"the struct holds no model: call ribbit_model_parse first"),
            (RibbitStatus::Workspace, c"the workspace is smaller than ribbit_workspace_len, or overlaps the model"),
            (RibbitStatus::Processor, c"this processor lacks instructions: take the library for this processor"),
            (RibbitStatus::NoSuchClass, c"the model has no class with this number"),
        ];
        let mut i = 0;
        while i < ALL.len() {
            if ALL[i].0 as i32 == status {
                return ALL[i].1;
            }
            i += 1;
        }
        c"not a status of this library"
    }
}

impl From<ParseError> for RibbitStatus {
    fn from(e: ParseError) -> Self {
        match e {
            ParseError::NotAModel => Self::NotAModel,
            ParseError::Alignment { .. } => Self::Alignment,
            ParseError::Version { .. } => Self::Version,
            ParseError::Length { .. } => Self::Length,
            ParseError::Checksum => Self::Checksum,
            ParseError::NoWinograd { .. } => Self::Winograd,
            _ => Self::Contents,
        }
    }
}

impl From<EngineError> for RibbitStatus {
    fn from(e: EngineError) -> Self {
        match e {
            EngineError::WorkspaceTooSmall { .. } => Self::Workspace,
            EngineError::Processor { .. } => Self::Processor,
            _ => Self::Winograd, // the only kernels that a build can be without
        }
    }
}
