//! Products with the tile instructions of AMX (Intel, since Sapphire Rapids), described in volume 2 of Intel's manual under
//! LDTILECFG, TILELOADD and TDPBF16PS. Rust has no stable intrinsics for them.
#![allow(unsafe_code)] // instructions that Rust does not know

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};

use super::operands::{Columns, Rows, Sums, TILE};

/// The operand of LDTILECFG.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_per_row: [u16; 16],
    rows: [u8; 16],
}

/// Eight tiles of 16 rows of 64 bytes.
static CONFIG: Config = Config {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes_per_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Whether the processor has AMX for bf16 and the system lets this process use it. Asks Linux for the permission; other
/// systems are not asked.
pub(super) fn available() -> bool {
    // Leaf 7 of CPUID: bits 22 and 24 of EDX are AMX-BF16 and AMX-TILE.
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (1 << 22 | 1 << 24) == 1 << 22 | 1 << 24 && permitted()
}

#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let result: i64;
    // SAFETY: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) changes nothing but the set of registers that all threads
    // of this process may use. A kernel that does not know it returns an error.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// Bytes between the rows of a tile of the columns.
const WORDS_STRIDE: usize = 4 * TILE;

/// Bytes between the rows of a block of sums.
const SUMS_STRIDE: usize = 4 * 2 * TILE;

/// A block of sums in tile registers: rows of `$a0` and `$a1` (if there are two), columns of `$b0` and `$b1`.
macro_rules! block {
    ($name:ident, add: [$($load:literal),*], products: [$($product:literal),*], store: [$($store:literal),*], words: $words:literal) => {
        /// Adds to a block of sums the products of all `chunks`, given in numbers from the start of a row.
        ///
        /// # Safety
        /// The tiles must be configured. The rows must have all chunks, and `words` the columns of all of them.
        unsafe fn $name(rows: [*const u16; 2], stride: usize, chunks: &[usize], words: *const u32, sums: *mut f32, add: bool) {
            // SAFETY: the caller's.
            unsafe {
                if add {
                    asm!($($load,)* s = in(reg) sums, q = in(reg) SUMS_STRIDE, options(nostack, readonly));
                } else {
                    asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
                }
                asm!(
                    "2:",
                    "mov {x}, qword ptr [{chunk}]",
                    "lea {y}, [{a1} + 2*{x}]",
                    "lea {x}, [{a0} + 2*{x}]",
                    $($product,)*
                    concat!("add {b}, ", $words),
                    "add {chunk}, 8",
                    "dec {n}",
                    "jnz 2b",
                    a0 = in(reg) rows[0],
                    a1 = in(reg) rows[1],
                    stride = in(reg) 2 * stride,
                    chunk = inout(reg) chunks.as_ptr() => _,
                    n = inout(reg) chunks.len() => _,
                    b = inout(reg) words => _,
                    q = in(reg) WORDS_STRIDE,
                    x = out(reg) _,
                    y = out(reg) _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack, readonly),
                );
                asm!($($store,)* s = in(reg) sums, q = in(reg) SUMS_STRIDE, options(nostack));
            }
        }
    };
}

block!(two_by_two,
    add: ["tileloadd tmm0, [{s} + {q}]", "tileloadd tmm1, [{s} + {q} + 64]",
        "tileloadd tmm2, [{s} + {q} + 2048]", "tileloadd tmm3, [{s} + {q} + 2112]"],
    products: ["tileloadd tmm4, [{x} + {stride}]", "tileloadd tmm6, [{b} + {q}]", "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{b} + {q} + 1024]", "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{y} + {stride}]", "tdpbf16ps tmm2, tmm5, tmm6", "tdpbf16ps tmm3, tmm5, tmm7"],
    store: ["tilestored [{s} + {q}], tmm0", "tilestored [{s} + {q} + 64], tmm1",
        "tilestored [{s} + {q} + 2048], tmm2", "tilestored [{s} + {q} + 2112], tmm3"],
    words: "2048");

block!(two_by_one,
    add: ["tileloadd tmm0, [{s} + {q}]", "tileloadd tmm2, [{s} + {q} + 2048]"],
    products: ["tileloadd tmm4, [{x} + {stride}]", "tileloadd tmm6, [{b} + {q}]", "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm5, [{y} + {stride}]", "tdpbf16ps tmm2, tmm5, tmm6"],
    store: ["tilestored [{s} + {q}], tmm0", "tilestored [{s} + {q} + 2048], tmm2"],
    words: "1024");

block!(one_by_two,
    add: ["tileloadd tmm0, [{s} + {q}]", "tileloadd tmm1, [{s} + {q} + 64]"],
    products: ["tileloadd tmm4, [{x} + {stride}]", "tileloadd tmm6, [{b} + {q}]", "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{b} + {q} + 1024]", "tdpbf16ps tmm1, tmm4, tmm7"],
    store: ["tilestored [{s} + {q}], tmm0", "tilestored [{s} + {q} + 64], tmm1"],
    words: "2048");

block!(one_by_one,
    add: ["tileloadd tmm0, [{s} + {q}]"],
    products: ["tileloadd tmm4, [{x} + {stride}]", "tileloadd tmm6, [{b} + {q}]", "tdpbf16ps tmm0, tmm4, tmm6"],
    store: ["tilestored [{s} + {q}], tmm0"],
    words: "1024");

/// See `Unit::multiply`, which has checked the operands.
pub(super) fn multiply(rows: Rows<'_>, starts: &[usize], columns: Columns<'_>, add: bool, sums: &mut [Sums]) {
    // SAFETY: a `Unit` with AMX exists only if `available` has returned true, and the configuration is valid. Nothing else
    // uses tiles before TILERELEASE: the compiler never does.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIG, options(nostack, readonly)) };
    let words = columns.words.as_ptr();
    for (starts, sums) in starts.chunks(2).zip(sums) {
        let row = |tile: usize| rows.values[starts[tile.min(starts.len() - 1)]..].as_ptr();
        let block = match (starts.len(), columns.tiles) {
            (2, 2) => two_by_two,
            (2, _) => two_by_one,
            (_, 2) => one_by_two,
            (_, _) => one_by_one,
        };
        // SAFETY: the tiles are configured, `Unit::multiply` has checked that all rows have all chunks and that `words` has
        // all columns, and a block of sums is two by two tiles.
        unsafe { block([row(0), row(1)], rows.stride, rows.chunks, words, sums.0.as_mut_ptr().cast(), add) };
    }
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}
