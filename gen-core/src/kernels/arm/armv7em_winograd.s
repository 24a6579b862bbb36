@ Winograd kernels F(4, K), K = 2, 3, 5, for Armv7E-M and Armv8-M cores with the
@ DSP extension (Cortex-M4, M7, M33, ...). Integer registers only.
@
@     gen_core_armv7em_tile_{taps}        int8 pixels of a tile to its N = K + 3 points
@     gen_core_armv7em_winograd_{taps}    two tiles, all output channels: products,
@                                     output transform, requantisation, stores
@
@ The transforms are those of winograd/mod.rs. Every function takes one pointer, to the
@ structure given with it, follows the procedure call standard and needs at most 356
@ bytes of stack. It lives in a section of its own, so that the linker drops what
@ nobody calls; the three gen_core_armv7em_winograd_* share one more section.
@
@ Include this file by `global_asm!(include_str!("armv7em_winograd.s"), options(raw))`. On
@ Armv8-M targets the DSP extension has to be announced by a string before it,
@ `".cpu cortex-m33"`.
@
@ Words used throughout
@
@   quad      four neighbouring channels c0 c1 c2 c3 of one pixel.
@   half      int16 pairs of a quad: half A has (c0, c2), half B (c1, c3), first one
@             low. That is what SXTB16 makes of the four bytes of a word, as they are
@             (A) or rotated by 8 bits (B).
@   channel   an output channel.
@
@ Costs are counted in instructions.

    .syntax unified
    .thumb
    .noaltmacro

@ Opens function `name` in its own section. Loops that matter align themselves.
.macro winograd_function name
    .section .text.\name,"ax",%progbits
    .p2align 2
    .globl  \name
    .type   \name,%function
    .thumb_func
\name:
.endm

@ ===========================================================================
@ Tile: int8 pixels to points
@ ===========================================================================
@
@ Structure `RawTile`
@
@    0 columns      N pointers, each to the channels of one pixel, of any alignment
@    4 quads        >= 1
@    8 output       the tile's word of point 0, quad 0, half A; 4-aligned
@   12 per_point    words from a point to the next
@
@ Point p, quad q: output[p * per_point + 4 q] is half A, and [... + 2] half B (the
@ words between are the other tile's).
@
@ Everything is done on int16 pairs, modulo 2^16 in each half, which is exact because
@ the points fit int16. Four instructions do the work:
@
@   SADD16, SSUB16
@   SXTAB16   adds a pair straight from the bytes. It spares the SXTB16 of each pixel
@             that is only ever added. With ~bytes it adds -x - 1, so onto (1, 1) it
@             makes -x: it pays to have the negatives of the pixels that are mostly
@             subtracted (one MVN does for both halves).
@   AND       x << 2, whose two bits that leave the low half for the high one are
@             masked off: times 4 for one instruction.
@
@ The pointers stay on the stack, moved to the end of the pixels: one LDM gets them,
@ and r0 counts up to 0 as their common index. In registers they would leave no room
@ for both halves of a quad.
@
@ Stores: STR adds step << 0..2 to a base, which reaches points 0, 1, 2, 4, and a
@ register with 3 steps makes that 3. Point 0 is last and moves the base on to the
@ other half, or to the next quad.

@ Opens a tile function: leaves r0 -4 * quads, r1 output, r2 bytes from point to
@ point, r3 three times that, and the pointers at sp. `low` to `high` are as many
@ registers as there are pointers.
.macro tile_open columns, registers:vararg
    push    {r4-r11, lr}
    sub     sp, #4 * \columns
    ldm     r0, {r0-r3}         @ columns, quads, output, per_point
    lsl     lr, r1, #2
    ldm     r0, {\registers}
    .irp    register, \registers
    add     \register, lr
    .endr
    stm     sp, {\registers}
    mov     r1, r2
    rsb     r0, lr, #0
    lsls    r2, r3, #2
    add     r3, r2, r2, lsl #1
.endm
.macro tile_close columns
    add     sp, #4 * \columns
    pop     {r4-r11, pc}
.endm

@ A half of F(4, 2): 13 and 5 stores. `minus1` and `minus2` hold -x1 and -x2.
@     r4 x0   r7 x3   r8 x4, as bytes    r11 x3 - x1   r12, lr temporary
.macro tile_2_half minus1, minus2, rotation:vararg
    sxtab16 r11, \minus1, r7 \rotation          @ x3 - x1
    ssub16  r12, \minus2, \minus1               @ x1 - x2
    sadd16  \minus1, \minus1, \minus2
    str     r11, [r1, r3]                       @ 2:   0 -1  0  1  0
    sadd16  \minus1, \minus1, r11
    sadd16  lr, r11, r12
    str     \minus1, [r1, r2]                   @ 1:   0 -2 -1  1  0
    sadd16  lr, lr, r12
    sadd16  lr, lr, r12
    sxtab16 r12, \minus2, r8 \rotation          @ x4 - x2
    str     lr, [r1, r2, lsl #1]                @ -1:  0  2 -3  1  0
    ssub16  r12, r12, r11
    sxtab16 \minus2, \minus2, r4 \rotation      @ x0 - x2
    ssub16  r12, r12, r11
    sadd16  lr, r11, \minus2
    str     r12, [r1, r2, lsl #2]               @ inf: 0  2 -1 -2  1
    sadd16  lr, lr, \minus2
    str     lr, [r1], #8                        @ 0:   2 -1 -2  1  0
.endm

@ 51 per quad, 21 + 28 around them.
    winograd_function gen_core_armv7em_tile_2
    tile_open 5, r4, r5, r6, r7, r8
    .p2align 3
1:  ldm     sp, {r4-r8}
    ldr     r5, [r5, r0]
    ldr     r6, [r6, r0]
    ldr     r7, [r7, r0]
    ldr     r8, [r8, r0]
    ldr     r4, [r4, r0]
    mvns    r5, r5
    mvns    r6, r6
    mov     lr, #0x00010001
    sxtab16 r9, lr, r5
    sxtab16 r10, lr, r6
    sxtab16 r5, lr, r5, ror #8
    sxtab16 r6, lr, r6, ror #8
    tile_2_half r9, r10
    tile_2_half r5, r6, , ror #8
    adds    r0, #4
    bne     1b
    tile_close 5
    .size   gen_core_armv7em_tile_2, . - gen_core_armv7em_tile_2

@ A half of F(4, 3), which uses up the six words of pixels: 21, 6 stores, and an
@ address for point 5.
@     r4 mask of x << 2   r5-r10 x0 ~x1 ~x2 x3 x4 x5, as bytes
.macro tile_3_half rotation:vararg
    mov     lr, #0x00010001
    sxtab16 r11, lr, r6 \rotation               @ -x1
    sxtab16 r7, lr, r7 \rotation                @ -x2
    sxtab16 r6, r11, r8 \rotation               @ odd2
    and     r11, r4, r11, lsl #2
    sxtab16 r12, r7, r9 \rotation               @ even2
    and     lr, r4, r7, lsl #2
    sxtab16 r11, r11, r8 \rotation              @ odd1
    sxtab16 lr, lr, r9 \rotation                @ even1
    sxtab16 r5, r7, r5 \rotation                @ x0 - x2
    sadd16  r7, lr, r11
    ssub16  lr, lr, r11
    str     r7, [r1, r2]                        @ 1:    0 -4 -4  1  1  0
    and     r5, r4, r5, lsl #2
    sadd16  r7, r6, r6                          @ 2 odd2
    str     lr, [r1, r2, lsl #1]                @ -1:   0  4 -4 -1  1  0
    sadd16  r5, r5, r12
    sadd16  r11, r12, r7
    ssub16  r12, r12, r7
    str     r11, [r1, r3]                       @ 2:    0 -2 -1  2  1  0
    sadd16  r7, r7, r7
    sxtb16  r10, r10 \rotation
    sxtab16 r7, r7, r8 \rotation                @ 4 odd2 + x3
    str     r12, [r1, r2, lsl #2]               @ -2:   0  2 -1 -2  1  0
    add     lr, r1, r2
    ssub16  r10, r10, r7
    str     r10, [lr, r2, lsl #2]               @ inf:  0  4  0 -5  0  1
    str     r5, [r1], #8                        @ 0:    4  0 -5  0  1  0
.endm

@ 69 per quad.
    winograd_function gen_core_armv7em_tile_3
    tile_open 6, r4, r5, r6, r7, r8, r9
    mvn     r4, #0x00030000
    .p2align 3
1:  ldm     sp, {r5-r10}
    ldr     r6, [r6, r0]
    ldr     r7, [r7, r0]
    ldr     r5, [r5, r0]
    ldr     r8, [r8, r0]
    ldr     r9, [r9, r0]
    ldr     r10, [r10, r0]
    mvns    r6, r6
    mvns    r7, r7
    push    {r5-r10}
    tile_3_half
    pop     {r5-r10}
    tile_3_half , ror #8
    adds    r0, #4
    bne     1b
    tile_close 6
    .size   gen_core_armv7em_tile_3, . - gen_core_armv7em_tile_3

@ One parity of the pixels of F(4, 5), in one half: `f5_side` of winograd/mod.rs, 18. It
@ uses up the words `x0`, `x2`, `x4`, `x6` and leaves the terms at 0, at 1, at 2 and
@ at 1/2 in x0, x4, t and x6.
.macro tile_5_side x0, x2, x4, x6, t, rotation:vararg
    sxtb16  \x4, \x4 \rotation
    sxtb16  \x6, \x6 \rotation
    sxtb16  \x2, \x2 \rotation
    and     \t, r5, \x4, lsl #2
    sxtb16  \x0, \x0 \rotation
    ssub16  \x6, \t, \x6        @ high = 4 x4 - x6
    ssub16  \t, \x2, \t         @ pair = x2 - 4 x4
    and     \x2, r5, \x2, lsl #2
    ssub16  \x4, \x2, \x4       @ low = 4 x2 - x4
    ssub16  \x0, \x0, \x2       @ x0 - 4 x2
    and     \x2, r5, \x6, lsl #2
    ssub16  \x6, \x4, \x6       @ at 1/2 = low - high
    ssub16  \x4, \x2, \x4       @ at 1 = 4 high - low
    and     \x0, r5, \x0, lsl #2
    ssub16  \x2, \t, \x4        @ sum = pair - at 1
    and     \t, r5, \t, lsl #2
    ssub16  \x0, \x0, \x2       @ at 0 = 4 (x0 - 4 x2) - sum
    ssub16  \t, \x2, \t         @ at 2 = sum - 4 pair
.endm

@ The points of a half from both parities: the odd one as tile_5_side leaves it, the
@ even one in r6, r7, r11 (at 1, 1/2, 2). The odd pixels went in from the last to the
@ first, which swaps 0 with infinity and 2 with 1/2: r8 at 1, r10 at 1/2, r9 at 2.
.macro tile_5_points
    sadd16  r12, r6, r8
    ssub16  r6, r6, r8
    str     r12, [r1, r3]               @ 1:    0 -4 -4  17  17 -4 -4 0
    sadd16  r9, r9, r9
    sadd16  r7, r7, r7
    str     r6, [r1, r3, lsl #1]        @ -1:   0  4 -4 -17  17  4 -4 0
    sadd16  r12, r11, r9
    ssub16  r11, r11, r9
    str     r12, [r1, r4]               @ 2:    0  2  1 -10  -5  8  4 0
    sadd16  r12, r7, r10
    ssub16  r7, r7, r10
    str     r12, [r2, r3]               @ 1/2:  0  4  8  -5 -10  1  2 0
    adds    r1, #8
    str     r7, [r2, r3, lsl #1]        @ -1/2: 0 -4  8   5 -10 -1  2 0
    str     r11, [r2], #8               @ -2:   0 -2  1  10  -5 -8  4 0
.endm

@ Eight pixels and two halves are too much for the registers: the even pixels come
@ first, then the odd ones, and what has to wait goes through the stack, where an
@ instruction moves up to six words.
@
@     r0 index   r1 output, point 0   r2 output, point 4   r3 step   r4 3 steps
@     r5 mask of x << 2
@
@ 128 per quad.
    winograd_function gen_core_armv7em_tile_5
    push    {r4-r11, lr}
    sub     sp, #32
    ldm     r0, {r0-r3}         @ columns, quads, output, per_point
    lsl     lr, r1, #2
    ldm     r0, {r4-r11}
    .irp    register, r4, r5, r6, r7, r8, r9, r10, r11
    add     \register, lr
    .endr
    strd    r4, r6, [sp]        @ x0, x2
    strd    r8, r10, [sp, #8]   @ x4, x6
    strd    r11, r9, [sp, #16]  @ x7, x5
    strd    r7, r5, [sp, #24]   @ x3, x1
    rsb     r0, lr, #0
    mov     r1, r2
    lsls    r3, r3, #2
    add     r2, r2, r3, lsl #2
    add     r4, r3, r3, lsl #1
    mvn     r5, #0x00030000
    .p2align 3
1:  ldm     sp, {r6-r9}
    ldr     r8, [r8, r0]
    ldr     r9, [r9, r0]
    ldr     r7, [r7, r0]
    ldr     r6, [r6, r0]
    push    {r6-r9}
    tile_5_side r6, r7, r8, r9, r10, , ror #8
    str     r6, [r1, #8]                @ 0:    4 0 -21 0 21 0 -4 0
    pop     {r6, r7, r11, r12}
    tile_5_side r6, r7, r11, r12, lr
    str     r6, [r1]
    push    {r8-r12, lr}                @ half B, half A: at 1, at 1/2, at 2
    add     r6, sp, #24 + 16
    ldm     r6, {r6-r9}
    ldr     r8, [r8, r0]
    ldr     r9, [r9, r0]
    ldr     r7, [r7, r0]
    ldr     r6, [r6, r0]
    push    {r6-r9}
    tile_5_side r6, r7, r8, r9, r10
    str     r6, [r2, r4]                @ inf:  0 -4 0 21 0 -21 0 4
    add     r6, sp, #16 + 12
    ldm     r6, {r6, r7, r11}
    tile_5_points
    pop     {r6-r9}
    tile_5_side r6, r7, r8, r9, r10, , ror #8
    str     r6, [r2, r4]
    pop     {r6, r7, r11}
    add     sp, #12
    tile_5_points
    adds    r0, #4
    bne.w   1b
    add     sp, #32
    pop     {r4-r11, pc}
    .size   gen_core_armv7em_tile_5, . - gen_core_armv7em_tile_5

@ ===========================================================================
@ Winograd: two tiles, all output channels
@ ===========================================================================
@
@ Structure `RawWinograd`
@
@    0 input        staged words, 4-aligned: [point][quad][A.tile0 A.tile1 B.tile0 B.tile1]
@    4 quads        of a point, >= 1
@    8 filters      4-aligned: [channel pair][point][quad][A.ch0 A.ch1 B.ch0 B.ch1]
@   12 biases       one i32 per channel, of any alignment
@   16 positive     multipliers of sums >= 0, likewise; null: store raw sums
@   20 negative     multipliers of sums < 0; may be the same pointer
@   24 zero_point
@   28 output       pixel 0, channel 0
@   32 step         bytes from one pixel to the next
@   36 channels     the last of an odd number shares its pair with zeros
@   40 pixels       1 ... 8; up to 4, the second tile is neither used nor computed
@
@ For every channel and pixel: sum = bias + the output transform of the products,
@ modulo 2^32; then store sat8(((sum * multiplier + 2^31) >> 32) + zero_point) as a
@ byte, or the raw sum as a word. Channels are neighbours in memory.
@
@ A pair of channels goes through three stages.
@
@ 1. Products. A point is a product of matrices: per quad 4 words and 4 filters make 8
@    SMLADs, 10 instructions for 16 MACs. Without the second tile it is 6.
@
@        r0-r3    A.tile0 A.tile1 B.tile0 B.tile1
@        r4-r7    A.ch0   A.ch1   B.ch0   B.ch1
@        r8-r11   sums: ch0.tile0 ch0.tile1 ch1.tile0 ch1.tile1
@        r12      input        lr filters
@
@    The bodies of the unrolled loop have one size (r12 and lr as bases make both LDMs
@    wide), so the first round of a point starts at body -quads mod 8. Points follow
@    each other in memory: r12 and lr just run on.
@
@    A finished point is pushed: sp itself is the pointer to the sums. What differs
@    from point to point stands in a table above them, of 16 bytes a point, in which
@    the same offset from sp then is the next point's entry. So 2 instructions, PUSH
@    and LDR PC, end a point and start the next one. It starts in one of two ways:
@
@    fresh    with SMUADs in the first body, which sets the sums; 1 more, to enter
@             the loop behind it.
@    on       on top of the sums of the point before: the transforms use m(p) and
@             m(p) + m(-p) instead of m(p) and m(-p), and F(4, 2) uses m(2) and
@             m(2) + m(inf). That saves an addition per tile and channel.
@
@    Per point: 10 quads, 3 for each 8 quads, 2 or 3.
@
@ 2. Output transform of a channel: eight values, pixel i in r(4+i). LDRD gets the sums
@    of both tiles. The bias costs nothing, ADD shifts the other operand for the exact
@    division.
@
@ 3. Requantisation and stores of the eight values.
@
@ Stage 1 and 3 are shared by the three forms, stage 2 is theirs. Jumps between stages
@ are loads of PC that come with operands, and take the choices made once per call
@ (pixels, mode) without a test.

@ Bodies of the loop, a power of two. With 16 it is up to 0.19 instructions per quad
@ less, for 512 bytes.
.set .LW_BODIES, 16

@ Entry of the table, for the sp of its point.
.set .LW_END,       112         @ r12 at the end of the point
.set .LW_CONTINUE,  132         @ code address for after the point; sp is 16 lower then
.set .LW_ENTER,     120         @ code address of the loop, behind the first body
@ Fourth words of the last but one and of the last entry, for the sp of stage 2. Stage
@ 2 and 3 of channel 1 run with sp 16 lower, so the one name finds both.
.set .LW_RETURN,    156         @ code address for after stage 3

@ Fields of the frame. The order is chosen for its readers: LDM of GAP to STORES, LDRD
@ of MULTIPLIER, BIAS and INPUT with the word behind each.
.set .LW_GAP,       0           @ bytes from a positive to its negative multiplier
.set .LW_ZERO,      4           @ zero point
.set .LW_STEP,      8           @ bytes from pixel to pixel
.set .LW_STORES,    12          @ code address in stage 3
.set .LW_MULTIPLIER, 16         @ -> positive multiplier of this channel pair
.set .LW_OUTPUT,    20          @ -> this pair in pixel 0
.set .LW_BIAS,      24          @ bytes from a multiplier to the channel's bias
.set .LW_INVERSE,   28          @ the constant of the output transform
.set .LW_INPUT,     32          @ input
.set .LW_FILTERS,   36          @ filters of the next pair
.set .LW_LAST,      40          @ MULTIPLIER behind the last full pair
.set .LW_ODD,       44          @ not 0: another single channel after that
.set .LW_FIELDS,    48

@ ---------------------------------------------------------------------------
@ Shared code
@ ---------------------------------------------------------------------------

    .section .text.gen_core_armv7em_winograd_shared,"ax",%progbits
    .p2align 3
    .type   gen_core_armv7em_winograd_loops,%function
    .thumb_func
gen_core_armv7em_winograd_loops:            @ a name for profiles; jumped into, never called

@ Stage 1, two tiles.
20: .rept   .LW_BODIES
    ldm     r12!, {r0-r3}
    ldm     lr!, {r4-r7}
    smlad   r8, r0, r4, r8
    smlad   r9, r1, r4, r9
    smlad   r10, r0, r5, r10
    smlad   r11, r1, r5, r11
    smlad   r8, r2, r6, r8
    smlad   r9, r3, r6, r9
    smlad   r10, r2, r7, r10
    smlad   r11, r3, r7, r11
    .endr
    ldr     r0, [sp, #.LW_END]
    cmp     r12, r0
    bne.w   20b
    push    {r8-r11}
    ldr.w   pc, [sp, #.LW_CONTINUE]

    .p2align 3
21: ldm     r12!, {r0-r3}
    ldm     lr!, {r4-r7}
    smuad   r8, r0, r4
    smuad   r9, r1, r4
    smuad   r10, r0, r5
    smuad   r11, r1, r5
    smlad   r8, r2, r6, r8
    smlad   r9, r3, r6, r9
    smlad   r10, r2, r7, r10
    smlad   r11, r3, r7, r11
    ldr.w   pc, [sp, #.LW_ENTER]

@ Stage 1, one tile. The words of the other one are loaded with it, its sums are
@ whatever r9 and r11 are, and nobody reads them.
    .p2align 3
10: .rept   .LW_BODIES
    ldm     r12!, {r0-r3}
    ldm     lr!, {r4-r7}
    smlad   r8, r0, r4, r8
    smlad   r10, r0, r5, r10
    smlad   r8, r2, r6, r8
    smlad   r10, r2, r7, r10
    .endr
    ldr     r0, [sp, #.LW_END]
    cmp     r12, r0
    bne.w   10b
    push    {r8-r11}
    ldr.w   pc, [sp, #.LW_CONTINUE]

    .p2align 3
11: ldm     r12!, {r0-r3}
    ldm     lr!, {r4-r7}
    smuad   r8, r0, r4
    smuad   r10, r0, r5
    smlad   r8, r2, r6, r8
    smlad   r10, r2, r7, r10
    ldr.w   pc, [sp, #.LW_ENTER]

@ Stage 3. One value: requantise by `mode`, store.
@
@ (acc * m + 2^31) >> 32, plus the zero point, is a single SMMLAR. With two multipliers
@ the sign of the accumulator, spread over a word, masks the gap between the two
@ tables: no compare, no branch, no second multiplier register.
@
@     r0 gap (one, raw: a temporary)   r1 zero point   r2 step   r3 multiplier
@     r4-r11 values   r12 output       lr temporary (one: the multiplier)
.macro winograd_value mode, acc
    .ifc \mode,two
    and     lr, r0, \acc, asr #31
    ldr     lr, [r3, lr]
    .endif
    .ifnc \mode,raw
    smmlar  \acc, \acc, lr, r1
    ssat    \acc, #8, \acc
    .endif
.endm

@ All values, from the last to the first: fewer pixels enter later, at label 60 + their
@ number. STRB and STR can add step << 0..3 to a base. From the output that reaches
@ pixels 1, 2, 4; pixel 7 is 8 - 1, pixels 5 and 6 are 4 + 1 and 4 + 2, pixel 3 is
@ 1 + 2. The base of 5 and 6 is in the register of pixel 7, so 6 pixels need it first.
.macro winograd_values mode, store, size, base
    .ifc \mode,one
68: ldr     lr, [r3], #4
    .else
68:
    .endif
    winograd_value \mode, r11
    sub     \base, r12, r2
    \store  r11, [\base, r2, lsl #3]
67: winograd_value \mode, r10
    add     r11, r12, r2, lsl #2
    \store  r10, [r11, r2, lsl #1]
69: winograd_value \mode, r9
    \store  r9, [r11, r2]
65: winograd_value \mode, r8
    \store  r8, [r12, r2, lsl #2]
64: winograd_value \mode, r7
    add     \base, r12, r2
    \store  r7, [\base, r2, lsl #1]
63: winograd_value \mode, r6
    \store  r6, [r12, r2, lsl #1]
62: winograd_value \mode, r5
    \store  r5, [r12, r2]
61: winograd_value \mode, r4
    \store  r4, [r12], #\size
    .ifnc \mode,one
    adds    r3, #4
    .endif
    ldr.w   pc, [sp, #.LW_RETURN]
66: add     r11, r12, r2, lsl #2
    b       69b
@ Where each number of pixels enters, in halfwords from label 30.
    .byte   (61b - 30b) / 2, (62b - 30b) / 2, (63b - 30b) / 2, (64b - 30b) / 2
    .byte   (65b - 30b) / 2, (66b - 30b) / 2, (67b - 30b) / 2, (68b - 30b) / 2
.endm

    .p2align 2
30: winograd_values two, strb.w, 1, lr
31: winograd_values one, strb.w, 1, r0
32: winograd_values raw, str.w, 4, lr

@ One multiplier and fewer than 8 pixels: r0 is where they enter.
33: ldr     lr, [r3], #4
    bx      r0

@ Fills the fields of the frame, but INVERSE. From the form: r0 call, r1 fields, lr
@ return address. To the form:
@     r0 `fresh`   r1 `on`   r2 ENTER   r3 END of the first point   r4 bytes of a point
@     r5 MULTIPLIER   r6 OUTPUT   r7 pixels
    .p2align 2
    .type   gen_core_armv7em_winograd_shared,%function
    .thumb_func
gen_core_armv7em_winograd_shared:
    push    {lr}
    ldm     r0!, {r3-r12}       @ input, quads, filters, biases, positive, negative,
    ldr     r2, [r0]            @ zero point, output, step, channels; pixels
    adr.w   r0, 31b - 8         @ the table of `two`
    subs    r8, r8, r7          @ gap
    bne     1f
    adr.w   r0, 32b - 8
1:  cbnz    r7, 2f
    adr.w   r0, 33b - 8
    mov     r7, r6              @ raw: count channels along the biases
2:  subs    r6, r6, r7          @ bias
    add     r0, r2
    ldrb    r0, [r0, #-1]
    adr.w   lr, 30b
    add     r0, lr, r0, lsl #1
    orr     r0, r0, #1          @ Thumb
    adr.w   lr, 31b
    cmp     r0, lr
    blo     3f
    adr.w   lr, 32b
    cmp     r0, lr
    bhs     3f
    cmp     r2, #8
    beq     3f
    mov     r8, r0
    adr.w   r0, 33b
    orr     r0, r0, #1
3:  strd    r8, r9, [r1, #.LW_GAP]
    strd    r11, r0, [r1, #.LW_STEP]
    strd    r7, r10, [r1, #.LW_MULTIPLIER]
    str     r6, [r1, #.LW_BIAS]
    strd    r3, r5, [r1, #.LW_INPUT]
    and     r8, r12, #1
    lsr     r12, r12, #1
    add     r12, r7, r12, lsl #3
    strd    r12, r8, [r1, #.LW_LAST]
    mov     r5, r7
    mov     r6, r10
    mov     r7, r2
    add     r3, r3, r4, lsl #4
    rsbs    r2, r4, #0
    and     r2, r2, #.LW_BODIES - 1     @ first body
    lsls    r4, r4, #4
    movs    r8, #40
    adr.w   r0, 21b
    adr.w   r1, 20b
    cmp     r7, #4
    bhi     4f
    movs    r8, #24
    adr.w   r0, 11b
    adr.w   r1, 10b
4:  orr     r0, r0, #1
    orr     r1, r1, #1
    mla     r1, r2, r8, r1
    add     r2, r1, r8
    pop     {pc}
    .size   gen_core_armv7em_winograd_shared, . - gen_core_armv7em_winograd_shared

@ ---------------------------------------------------------------------------
@ The forms
@ ---------------------------------------------------------------------------
@
@ Stack during stage 2, N points, from sp upwards (channel 1: from sp + 16):
@
@     16 N       sums of points N - 1 ... 0
@     128 - 16 N not used; with N = 5, the fields
@     16 N       table of points N - 1 ... 0
@     48         the fields, unless N = 5

@ One instruction for tile 0, one for tile 1 if there is.
.macro winograd_both tiles, first, second
    \first
    .if \tiles == 2
    \second
    .endif
.endm

@ The sums of `point` of channel .LW_channel in both tiles.
.macro winograd_sums tiles, point, first, second
    .if \tiles == 2
    ldrd    \first, \second, [sp, #16 * (.LW_points - 1 - \point) + 24 * .LW_channel]
    .else
    ldr.w   \first, [sp, #16 * (.LW_points - 1 - \point) + 24 * .LW_channel]
    .endif
.endm

@ Registers of stage 2: r4-r7 the four values of tile 0, r8-r11 of tile 1, r0-r2
@ temporary, r2 the bias at the end, r3 multiplier, r12 output, lr the inverse. The
@ macros begin with the latter five set.

@ F(4, 2), with m = m(2) + m(inf) as the last sum:
@     u = (m(2) - m(-1)) / 3 + m(1)
@     y0 = (u + m(0)) / 2      y2 = (u + m(2)) / 2
@     y1 = (2 u + m(-1) - m(1)) / 2      y3 = y1 + m
@ 10 per tile.
.macro winograd_transform_2 tiles
    winograd_bias
    winograd_sums \tiles, 3, r6, r10
    winograd_sums \tiles, 2, r5, r9
    winograd_sums \tiles, 1, r4, r8
    winograd_sums \tiles, 4, r7, r11
    winograd_both \tiles, "sub r0, r6, r5", "sub r1, r10, r9"
    winograd_both \tiles, "sub r5, r5, r4", "sub r9, r9, r8"
    winograd_both \tiles, "mla r0, r0, lr, r4", "mla r1, r1, lr, r8"
    winograd_sums \tiles, 0, r4, r8
    winograd_both \tiles, "add r5, r5, r0, lsl #1", "add r9, r9, r1, lsl #1"
    winograd_both \tiles, "add r6, r6, r0", "add r10, r10, r1"
    winograd_both \tiles, "add r5, r2, r5, asr #1", "add r9, r2, r9, asr #1"
    winograd_both \tiles, "add r4, r4, r0", "add r8, r8, r1"
    winograd_both \tiles, "add r6, r2, r6, asr #1", "add r10, r2, r10, asr #1"
    winograd_both \tiles, "add r7, r7, r5", "add r11, r11, r9"
    winograd_both \tiles, "add r4, r2, r4, asr #1", "add r8, r2, r8, asr #1"
.endm

@ F(4, 3), with m and e = m + m(-p) for p = 1, 2, hence m - m(-p) = 2 m - e = o:
@     u = (e1 + e2) / 3      y0 = (u + e1 + 2 m(0)) / 8      y2 = u / 2
@     v = (2 o1 + o2) / 3    y1 = v / 4      y3 = (2 v - o1 + 2 m(inf)) / 2
@ 14 per tile.
.macro winograd_transform_3 tiles
    winograd_bias
    winograd_sums \tiles, 2, r4, r8             @ e1
    winograd_sums \tiles, 1, r7, r11            @ m1
    winograd_sums \tiles, 4, r6, r10            @ e2
    winograd_sums \tiles, 3, r5, r9             @ m2
    winograd_both \tiles, "rsb r7, r4, r7, lsl #1", "rsb r11, r8, r11, lsl #1"
    winograd_both \tiles, "rsb r5, r6, r5, lsl #1", "rsb r9, r10, r9, lsl #1"
    winograd_both \tiles, "add r6, r6, r4", "add r10, r10, r8"
    winograd_both \tiles, "add r5, r5, r7, lsl #1", "add r9, r9, r11, lsl #1"
    winograd_both \tiles, "mul r6, r6, lr", "mul r10, r10, lr"
    winograd_both \tiles, "mul r5, r5, lr", "mul r9, r9, lr"
    winograd_sums \tiles, 0, r0, r1
    winograd_both \tiles, "add r4, r4, r6", "add r8, r8, r10"
    winograd_both \tiles, "rsb r7, r7, r5, lsl #1", "rsb r11, r11, r9, lsl #1"
    winograd_both \tiles, "add r4, r4, r0, lsl #1", "add r8, r8, r1, lsl #1"
    winograd_sums \tiles, 5, r0, r1
    winograd_both \tiles, "add r5, r2, r5, asr #2", "add r9, r2, r9, asr #2"
    winograd_both \tiles, "add r6, r2, r6, asr #1", "add r10, r2, r10, asr #1"
    winograd_both \tiles, "add r7, r7, r0, lsl #1", "add r11, r11, r1, lsl #1"
    winograd_both \tiles, "add r4, r2, r4, asr #3", "add r8, r2, r8, asr #3"
    winograd_both \tiles, "add r7, r2, r7, asr #1", "add r11, r2, r11, asr #1"
.endm

@ F(4, 5), with m, e, o as above for p = 1, 2, h = 1/2:
@     y0 = ((2 e1 + e2 + 8 eh) / 45 + m(0)) / 8        y2 = (e1 + 2 e2 + eh) / 45 / 4
@     y3 = ((2 o1 + 8 o2 + oh) / 45 + m(inf)) / 8      y1 = (o1 + o2 + 2 oh) / 45 / 4
@ 19 per tile. All registers are in use at first, so r3 and r12 are loaded once more.
@     tile 0: r6 e1, r0 e2, r1 eh, r5 o1, r7 o2, r4 oh
@     tile 1: r10 e1, r2 e2, r3 eh, r9 o1, r11 o2, r8 oh
.macro winograd_transform_5 tiles
    .if .LW_channel
    strd    r3, r12, [sp, #.LW_fields + .LW_MULTIPLIER]
    .endif
    ldr.w   lr, [sp, #.LW_fields + .LW_INVERSE]
    winograd_sums \tiles, 2, r6, r10
    winograd_sums \tiles, 1, r5, r9
    winograd_sums \tiles, 4, r0, r2
    winograd_sums \tiles, 3, r7, r11
    winograd_sums \tiles, 6, r1, r3
    winograd_sums \tiles, 5, r4, r8
    winograd_both \tiles, "rsb r5, r6, r5, lsl #1", "rsb r9, r10, r9, lsl #1"
    winograd_both \tiles, "rsb r7, r0, r7, lsl #1", "rsb r11, r2, r11, lsl #1"
    winograd_both \tiles, "rsb r4, r1, r4, lsl #1", "rsb r8, r3, r8, lsl #1"
    @ tile 0
    add     r12, r0, r6, lsl #1
    add     r6, r6, r1
    add     r12, r12, r1, lsl #3
    add     r6, r6, r0, lsl #1
    add     r0, r7, r5
    mul     r6, r6, lr
    add     r0, r0, r4, lsl #1
    add     r4, r4, r5, lsl #1
    mul     r5, r0, lr
    add     r7, r4, r7, lsl #3
    winograd_sums \tiles, 0, r0, r1
    mla     r4, r12, lr, r0
    .if \tiles == 2
    add     r12, r2, r10, lsl #1
    add     r10, r10, r3
    add     r12, r12, r3, lsl #3
    add     r10, r10, r2, lsl #1
    add     r2, r11, r9
    mul     r10, r10, lr
    add     r2, r2, r8, lsl #1
    add     r8, r8, r9, lsl #1
    mul     r9, r2, lr
    add     r11, r8, r11, lsl #3
    mla     r8, r12, lr, r1
    .endif
    winograd_sums \tiles, 7, r0, r1
    ldrd    r3, r12, [sp, #.LW_fields + .LW_MULTIPLIER]
    ldr.w   r2, [sp, #.LW_fields + .LW_BIAS]
    winograd_both \tiles, "mla r7, r7, lr, r0", "mla r11, r11, lr, r1"
    ldr     r2, [r3, r2]
    winograd_both \tiles, "add r4, r2, r4, asr #3", "add r8, r2, r8, asr #3"
    winograd_both \tiles, "add r5, r2, r5, asr #2", "add r9, r2, r9, asr #2"
    winograd_both \tiles, "add r6, r2, r6, asr #2", "add r10, r2, r10, asr #2"
    winograd_both \tiles, "add r7, r2, r7, asr #3", "add r11, r2, r11, asr #3"
.endm

@ Multiplier and output of the channel (channel 1 still has them from stage 3), the
@ bias and the inverse.
.macro winograd_bias
    .if .LW_channel == 0
    ldrd    r3, r12, [sp, #.LW_fields + .LW_MULTIPLIER]
    .endif
    ldrd    r2, lr, [sp, #.LW_fields + .LW_BIAS]
    ldr     r2, [r3, r2]
.endm

@ Stage 2 of both channels, between the jumps from stage 1 and to stage 3.
.macro winograd_stage_2 taps, tiles
    .set .LW_channel, 0
    .set .LW_fields, .LW_base
    str     lr, [sp, #.LW_fields + .LW_FILTERS]
    winograd_transform_\taps \tiles
    add     r0, sp, #.LW_fields + .LW_GAP
    ldm     r0, {r0-r2, pc}
    .p2align 2
    .set .LW_channel, 1
    .set .LW_fields, .LW_base + 16
.endm
.macro winograd_stage_2_other taps, tiles
    sub     sp, #16
    winograd_transform_\taps \tiles
    add     r0, sp, #.LW_fields + .LW_GAP
    ldm     r0, {r0-r2, pc}
.endm

@ Entry of the table for point .LW_point, which `kind` follows: fresh, on, or the last.
.macro winograd_entry kind
    .ifc \kind,fresh
    strd    r3, r0, [sp, #.LW_END - 16 * .LW_point]
    .endif
    .ifc \kind,on
    strd    r3, r1, [sp, #.LW_END - 16 * .LW_point]
    .endif
    .ifc \kind,last
    strd    r3, r8, [sp, #.LW_END - 16 * .LW_point]
    .else
    add     r3, r4
    .endif
    str     r2, [sp, #.LW_ENTER - 16 * .LW_point]
    .set .LW_point, .LW_point + 1
.endm

@ gen_core_armv7em_winograd_{taps}(call): a point in `points` is what follows it.
@
@ Two channels of two tiles, 16 values, cost in K = 2, 3, 5, apart from the bodies and
@ loop ends of stage 1: 172, 192, 225 with two multipliers and 32 less with one. The
@ rest of the call is about 85, 95, 105.
.macro winograd taps, inverse, points:vararg
    .set .LW_points, \taps + 3
    .if .LW_points == 5
    .set .LW_base, 16 * 5
    .set .LW_frame, 128
    .else
    .set .LW_base, 16 * .LW_points + 128
    .set .LW_frame, 128 + .LW_FIELDS
    .endif

    winograd_function gen_core_armv7em_winograd_\taps
    push    {r4-r11, lr}
    sub     sp, #.LW_frame
    add     r1, sp, #.LW_base - 16 * .LW_points
    bl      gen_core_armv7em_winograd_shared
    ldr     r8, 9f
    str     r8, [sp, #.LW_base - 16 * .LW_points + .LW_INVERSE]
    adr.w   r8, 22f             @ stage 2 of channel 0 and of channel 1
    adr.w   r9, 23f
    cmp     r7, #4
    bhi     1f
    adr.w   r8, 12f
    adr.w   r9, 13f
1:  adr.w   r10, 2f
    orr     r8, r8, #1          @ Thumb
    orr     r9, r9, #1
    orr     r10, r10, #1
    str     r9, [sp, #.LW_RETURN - 16 * .LW_points]
    str     r10, [sp, #.LW_RETURN - 16 * .LW_points - 16]
    .set .LW_point, 0
    .irp    kind, \points
    winograd_entry \kind
    .endr
    mov     r3, r5
    mov     r12, r6
    b       3f
    .p2align 2
9:  .word   \inverse

@ Next pair: r3 its multiplier, r12 its output.
2:  add     sp, #16 * .LW_points + 16
3:  ldr     r0, [sp, #.LW_base - 16 * .LW_points + .LW_LAST]
    cmp     r3, r0
    beq     5f
4:  strd    r3, r12, [sp, #.LW_base - 16 * .LW_points + .LW_MULTIPLIER]
    ldrd    r12, lr, [sp, #.LW_base - 16 * .LW_points + .LW_INPUT]
    ldr.w   pc, [sp, #.LW_CONTINUE - 16]        @ `fresh`, as after point 0

@ After the full pairs: perhaps a single channel, which returns to the end.
5:  ldr     r0, [sp, #.LW_base - 16 * .LW_points + .LW_ODD]
    cbz     r0, 7f
    adr.w   r0, 6f
    orr     r0, r0, #1
    str     r0, [sp, #.LW_RETURN - 16 * .LW_points]
    b       4b
    .p2align 2
6:  add     sp, #16 * .LW_points
7:  add     sp, #.LW_frame
    pop     {r4-r11, pc}

    .p2align 2
22: winograd_stage_2 \taps, 2
23: winograd_stage_2_other \taps, 2
    .p2align 2
12: winograd_stage_2 \taps, 1
13: winograd_stage_2_other \taps, 1
    .size   gen_core_armv7em_winograd_\taps, . - gen_core_armv7em_winograd_\taps
.endm

    winograd 2, 0xaaaaaaab, fresh, fresh, fresh, on, last
    winograd 3, 0xaaaaaaab, fresh, on, fresh, on, fresh, last
    winograd 5, 0xa4fa4fa5, fresh, on, fresh, on, fresh, on, fresh, last

@ Assembly that follows in the same compilation finds everything as it was.
    .irp    name, winograd_function, tile_open, tile_close, tile_2_half
    .purgem \name
    .endr
    .irp    name, tile_3_half, tile_5_side, tile_5_points, winograd_value
    .purgem \name
    .endr
    .irp    name, winograd_values, winograd_both, winograd_sums, winograd_bias
    .purgem \name
    .endr
    .irp    name, winograd_transform_2, winograd_transform_3, winograd_transform_5
    .purgem \name
    .endr
    .irp    name, winograd_stage_2, winograd_stage_2_other, winograd_entry, winograd
    .purgem \name
    .endr
    .noaltmacro
    .text
