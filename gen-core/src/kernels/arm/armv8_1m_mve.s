@ Kernels for Armv8.1-M cores with MVE, also called Helium (Cortex-M55, M85).
@ Integer MVE is enough.
@
@     gen_core_armv8_1m_mve_toeplitz_{taps}_{pixels}   a row of pixels, int8 filters
@     gen_core_armv8_1m_mve_dot                        one pixel, int8 filters
@     gen_core_armv8_1m_mve_winograd                   2 channels x 2 tiles, int16 filters
@     gen_core_armv8_1m_mve_stage                      int8 pixels to staged words
@
@ Every function takes one pointer, to the structure given with it, follows the
@ procedure call standard and needs at most 184 bytes of stack. It lives in a
@ section of its own, so that the linker drops what nobody calls. Coprocessors 10
@ and 11 (FPU and MVE) have to be on.
@
@ Include this file by `global_asm!(".cpu cortex-m55", include_str!("armv8_1m_mve.s"),
@ options(raw))`: no target of stable Rust says that a core has MVE.
@
@ Words used throughout
@
@   quad      four neighbouring channels of one pixel or one tap: a word of int8.
@   group     four quads: a vector of 16 int8. VMLADAVA.S8 multiplies two of them
@             and adds all 16 products to an accumulator.
@   plane     the words of one quad for all columns, side by side.
@   channel   an output channel.
@
@ Costs are counted in instructions. A MAC is one multiplication with its
@ addition; VMLADAVA.S8 does 16, so no kernel can need less than 0.0625 per MAC.
@ Its accumulator is a general register with an even number. There are eight, if
@ lr is one of them, and the odd ones have to do for everything else.
@
@ Vectors of pointers. The four words of a group lie a plane apart, and those of a
@ tap as many words apart as there are taps: no vector of either lies in memory
@ as it is. VLDRW can load each lane from where a lane of another vector points, plus a
@ constant, and move that vector on as it does so. The constants reach all words
@ of a group, so walking through planes and filters takes no more instructions than
@ walking through memory, and the quads may be in any place.

    .syntax unified
    .thumb
    .altmacro                   @ %expression in a macro argument: its value

@ Opens function `name` in its own section.
.macro function name
    .section .text.\name,"ax",%progbits
    .p2align 2
    .globl  \name
    .type   \name,%function
    .thumb_func
\name:
.endm

@ ===========================================================================
@ Channels: what surrounds the loops of the Toeplitz kernels
@ ===========================================================================
@
@ Structure `RawArgs`
@
@    0 input        staged words, 4-aligned: [quad][plane]. Taps of several rows
@                   are simply more quads. A plane has K + N words, K taps and N
@                   pixels (dot: 1); its last one is not used.
@    4 input_end    input + quads planes; at least one quad
@    8 filters      4-aligned, [channel][quad][tap][4 int8]
@   12 biases       one i32 per channel, of any alignment
@   16 positive     multipliers of sums >= 0, likewise; null: store raw sums
@   20 negative     multipliers of sums < 0; may be the same pointer
@   24 zero_point
@   28 output       pixel 0, channel 0
@   32 step         bytes from one pixel to the next
@   36 channels
@
@ For every channel and pixel: sum = bias + all products, modulo 2^32; then
@ store sat8(((sum * multiplier + 2^31) >> 32) + zero_point) as a byte, or the
@ raw sum as a word. Channels are neighbours in memory.
@
@ A kernel proper is only the loop over the groups of one channel. What comes
@ before and after it depends on the number of pixels alone, so there is one
@ copy per pixel count: `channels_N`. The two jump to each other.
@
@ Registers in the loop
@     r0 r2 r4 ...  accumulators of pixels 0, 1, 2, ..., zero at first; the
@                   eighth is lr
@     r1            what is left to do, below
@     r3            -> positive multiplier of this channel (raw: -> bias)
@     r5            -> this channel in pixel 0
@     r7            bytes from r3 to the channel's bias
@     r9            bytes from r3 to the negative multiplier
@     r11           epilogue: code address
@     q6            -> filters, q7 -> planes
@     q0-q5         the loop's to use
@
@ Number of quads = 4 groups + tail. The last group may lack some of its
@ quads, and then its loads of filters are predicated: lanes that are off read
@ as zero and touch no memory. Their pixels do not matter then, so these lanes just
@ follow lane 0. r1 counts groups down in twos, from 2 groups if there is a tail
@ and from 2 groups - 1 if there is none: where it ends tells which.

@ Frame
.set .LCOUNT,       0           @ r1 at the start of a channel
.set .LENTRY,       4           @ of the loop: code address
.set .LLAST,        8           @ r3 behind the last channel
.set .LREST,        12          @ bytes from where a channel leaves q6 to the next channel
.set .LZERO,        16          @ zero point
.set .LSTEP4,       20          @ bytes from pixel to pixel, times 4
.set .LTAIL,        24          @ quads of the last, incomplete group
.set .LPLANES,      32          @ q7 at the start of a channel
.set .LTAILPLANES,  48          @ q7 at the start of the tail
.set .LOFFSETS,     64          @ bytes from pixel 0 to 0, 1, 2, 3
.set .LFRAME,       80

@ A channel of 8 pixels costs, apart from its loop: 2 to leave it, 4 to move the sums into
@ vectors, 3 to add the bias, 10 with two multipliers and 5 with one, 12 to make
@ int8 of them and store, and 8 to move on: 39 with two multipliers. For 4 pixels it is
@ 2, 2, 2, 7 or 4, 7 and 8: 28.
@
@ VRMULH is (a * b + 2^31) >> 32. With the zero point added it fits 32 bits still, as the
@ product is at most 2^30. VQMOVN saturates to 16 and then to 8 bits; the halves
@ that it leaves alone are not stored.
.macro channels pixels
    .section .text.gen_core_armv8_1m_mve_channels_\pixels,"ax",%progbits
    .p2align 2
    .type   gen_core_armv8_1m_mve_channels_\pixels,%function
    .thumb_func
@ From the kernel: r0 call, r1 address of the loop, r2 address of the tail, r3 taps,
@ r12 bytes that a tail has moved q6 on by.
gen_core_armv8_1m_mve_channels_\pixels:
    push    {r4-r11, lr}
    vpush   {d8-d15}
    sub     sp, #.LFRAME + 4    @ keeps sp a multiple of 8
    ldm     r0!, {r4-r11}       @ input, its end, filters, biases, positive, negative, zero point, output
    str     r12, [sp, #.LREST]
    ldrd    r12, lr, [r0]       @ step, channels
    lsl     r0, r12, #2
    strd    r10, r0, [sp, #.LZERO]
    movs    r0, #0
    vidup.u32 q0, r0, #1        @ 0, 1, 2, 3
    vmul.i32 q1, q0, r12
    vstrw.32 q1, [sp, #.LOFFSETS]

    adds    r0, r3, #\pixels
    lsls    r0, r0, #2          @ bytes of a plane
    subs    r5, r5, r4
    udiv    r5, r5, r0          @ quads
    @ q7 rests at the last column but one (the spare word is the last) of the group before.
    add     r10, r0, r0, lsl #1
    sub     r4, r4, r10
    subs    r4, #8
    vmul.i32 q7, q0, r0
    vadd.i32 q7, q7, r4
    vstrw.32 q7, [sp, #.LPLANES]
    @ q6 rests at tap 0 of the group before.
    lsls    r3, r3, #2          @ bytes of a quad's filters
    vmul.i32 q6, q0, r3
    sub     r6, r6, r3, lsl #2
    vadd.i32 q6, q6, r6

    lsrs    r6, r5, #2          @ groups
    mul     r10, r0, r6
    lsls    r10, r10, #2        @ bytes of their planes
    vdup.32 q1, r4
    ands    r5, r5, #3          @ tail
    vctp.32 r5
    vpsel   q1, q7, q1
    vadd.i32 q1, q1, r10
    vstrw.32 q1, [sp, #.LTAILPLANES]
    str     r5, [sp, #.LTAIL]

    ldr     r0, [sp, #.LREST]
    mul     r3, r3, r5
    subs    r3, r3, r0          @ rest, if there is a tail
    lsls    r0, r6, #1          @ count, if there is a tail
    cbnz    r5, 1f
    movs    r3, #0
    subs    r0, #1
1:  cbnz    r6, 1f
    mov     r1, r2
1:  strd    r0, r1, [sp, #.LCOUNT]
    mov     r5, r11

    adr.w   r11, 10f
    subs    r9, r9, r8          @ gap
    bne     1f
    adr.w   r11, 11f
1:  cmp     r8, #0
    bne     1f
    mov     r8, r7              @ raw: count channels along the biases
    adr.w   r11, 12f
1:  orr     r11, r11, #1        @ Thumb
    sub     r7, r7, r8          @ bias
    add     r0, r8, lr, lsl #2
    strd    r0, r3, [sp, #.LLAST]
    mov     r3, r8
    b       4f

@ Epilogues, entered from the loop by `bx r11`.
    .p2align 2
11: sums_to_vectors \pixels     @ one multiplier
    ldr     r0, [r3, r7]
    ldr     r2, [r3], #4
    add_to_vectors \pixels
    vdup.32 q2, r2
    vrmulh.s32 q0, q0, q2
    .if \pixels > 4
    vrmulh.s32 q1, q1, q2
    .endif
    b       2f
    .p2align 2
12: sums_to_vectors \pixels     @ raw
    ldr     r0, [r3], #4
    ldr     r2, [sp, #.LSTEP4]
    add_to_vectors \pixels
    vldrw.u32 q2, [sp, #.LOFFSETS]
    vstrw.32 q0, [r5, q2]
    .if \pixels > 4
    add     r2, r5
    vstrw.32 q1, [r2, q2]
    .endif
    adds    r5, #4
    b       3f
    .p2align 2
10: sums_to_vectors \pixels     @ two multipliers
    ldr     r0, [r3, r7]
    ldr     r2, [r3, r9]
    ldr     r4, [r3], #4
    add_to_vectors \pixels
    vdup.32 q2, r4
    vdup.32 q3, r2
    vpte.s32 lt, q0, zr
    vrmulht.s32 q0, q0, q3
    vrmulhe.s32 q0, q0, q2
    .if \pixels > 4
    vpte.s32 lt, q1, zr
    vrmulht.s32 q1, q1, q3
    vrmulhe.s32 q1, q1, q2
    .endif

2:  ldrd    r0, r2, [sp, #.LZERO]
    vldrw.u32 q2, [sp, #.LOFFSETS]
    add_to_vectors \pixels
    vqmovnb.s32 q0, q0
    vqmovnb.s16 q0, q0
    vstrb.32 q0, [r5, q2]
    .if \pixels > 4
    vqmovnb.s32 q1, q1
    vqmovnb.s16 q1, q1
    add     r2, r5
    vstrb.32 q1, [r2, q2]
    .endif
    adds    r5, #1

@ Next channel.
3:  ldrd    r0, r2, [sp, #.LLAST]
    cmp     r3, r0
    beq     5f
    vadd.i32 q6, q6, r2
4:  vldrw.u32 q7, [sp, #.LPLANES]
    ldr     r1, [sp, #.LCOUNT]
    .if \pixels > 4
    clrm    {r0, r2, r4, r6, r8, r10, r12, lr}
    .else
    clrm    {r0, r2, r4, r6}
    .endif
    ldr     pc, [sp, #.LENTRY]
5:  add     sp, #.LFRAME + 4
    vpop    {d8-d15}
    pop     {r4-r11, pc}
    .size   gen_core_armv8_1m_mve_channels_\pixels, . - gen_core_armv8_1m_mve_channels_\pixels
.endm

.macro sums_to_vectors pixels
    vmov    q0[2], q0[0], r0, r4
    vmov    q0[3], q0[1], r2, r6
    .if \pixels > 4
    vmov    q1[2], q1[0], r8, r12
    vmov    q1[3], q1[1], r10, lr
    .endif
.endm
@ Adds r0.
.macro add_to_vectors pixels
    vadd.i32 q0, q0, r0
    .if \pixels > 4
    vadd.i32 q1, q1, r0
    .endif
.endm

    channels 4
    channels 8

@ ===========================================================================
@ Toeplitz: K taps along x, N pixels at once
@ ===========================================================================
@
@ Pixel i is the sum over t of word[i + t] * tap[t]. Done pixel by pixel that is
@ two loads per VMLADAVA; with the K taps of a group and N accumulators in registers
@ it needs its K taps once and each of its W = N + K - 1 columns once, each
@ feeding up to K VMLADAVAs.
@
@ N = 8 takes all even registers, so there is none for DLS and LE: a count in r1
@ takes an instruction more, which is less than what an eighth pixel saves.
@
@ q6 and q7 are pointers, q0-q4 taps, q5 (and q4 if it is free) the columns. More
@ than five taps go in two batches, which read their columns each. These filters are
@ predicated always, with all lanes on but in the tail: the second batch is
@ loaded in the middle of what full groups and tail have in common.
@
@ Instructions per group, 16 NK MACs: NK VMLADAVA, K + W loads, 2 to loop. For N = 8:
@     K            1       2       3       4       5       6       7
@     per group   19      29      39      49      59      78      88
@     per MAC  0.148   0.113   0.102   0.096   0.092   0.102   0.098
@ (with two VPST in the last two columns). A tail costs 6 to 8 more than a group.

.macro load_tap tap, offset
    vldrw.u32 q\tap, [q6, #\offset]
.endm
.macro load_tap_move tap, offset
    vldrw.u32 q\tap, [q6, #\offset]!
.endm
.macro load_tap_predicated tap, offset
    vldrwt.u32 q\tap, [q6, #\offset]
.endm
.macro load_column to, offset
    vldrw.u32 q\to, [q7, #\offset]
.endm
.macro load_column_move to, offset
    vldrw.u32 q\to, [q7, #\offset]!
.endm
.macro multiply acc, column, tap
    .if \acc == 14
    vmladava.s8 lr, q\column, q\tap
    .else
    vmladava.s8 r\acc, q\column, q\tap
    .endif
.endm

@ Taps `first` up to `last`, predicated, to q`to` and on; those of tap 0 are at q6 + `offset`.
.macro load_taps_predicated first, last, to, offset=0
    .set .Ltap, \first
    .rept \last - \first
    .if (.Ltap - \first) % 4 == 0
    .if \last - .Ltap >= 4
    vpstttt
    .elseif \last - .Ltap == 3
    vpsttt
    .elseif \last - .Ltap == 2
    vpstt
    .else
    vpst
    .endif
    .endif
    load_tap_predicated %(\to+.Ltap-\first), %(\offset+4*.Ltap)
    .set .Ltap, .Ltap + 1
    .endr
.endm

@ All products of column .Lcolumn, in q`from`, with the taps `first` up to `last`, last tap
@ first: neighbours have different accumulators.
.macro multiply_column pixels, from, first, last
    .set .Ltap, \last - 1
    .rept \last - \first
    .if .Ltap <= .Lcolumn && .Lcolumn - .Ltap < \pixels
    multiply %(2*(.Lcolumn-.Ltap)), \from, %(.Ltap-\first)
    .endif
    .set .Ltap, .Ltap - 1
    .endr
.endm

@ The columns that the taps `first` up to `last` see. The very last one moves q7 on, to
@ where it was in the group before. Two registers take turns if there are two.
.macro columns taps, pixels, first, last
    .set .Lcolumn, \first
    .rept \last - \first + \pixels - 1
    .set .Lfrom, 5
    .if \last - \first < 5
    .set .Lfrom, 5 - .Lcolumn % 2
    .endif
    .if .Lcolumn == \taps + \pixels - 2
    load_column_move %.Lfrom, %(16*(\taps+\pixels))
    .else
    load_column %.Lfrom, %(16*(\taps+\pixels)+4*(.Lcolumn-\taps-\pixels+2))
    .endif
    multiply_column \pixels, %.Lfrom, \first, \last
    .set .Lcolumn, .Lcolumn + 1
    .endr
.endm

.macro toeplitz taps, pixels
    function gen_core_armv8_1m_mve_toeplitz_\taps\()_\pixels
    adr.w   r1, 1f + 1          @ Thumb
    adr.w   r2, 3f + 1
    movs    r3, #\taps
    .if \taps > 5
    mov     r12, #16 * \taps
    .else
    mov     r12, #0
    .endif
    b.w     gen_core_armv8_1m_mve_channels_\pixels

    .p2align 2
    .if \taps <= 5
1:  .set .Lload, 1
    .rept \taps - 1
    load_tap %.Lload, %(16*\taps+4*.Lload)
    .set .Lload, .Lload + 1
    .endr
    load_tap_move 0, %(16*\taps)
2:  columns \taps, \pixels, 0, \taps
    subs    r1, #2
    bgt.w   1b
    beq     3f
    bx      r11
3:  ldr     r1, [sp, #.LTAIL]
    vctp.32 r1
    .else
    .set .Lbatch, (\taps + 1) / 2
1:  vcmp.i32 eq, q6, q6         @ all lanes
4:  load_tap_move 0, %(16*\taps)
2:  load_taps_predicated 1, %.Lbatch, 1
    columns \taps, \pixels, 0, %.Lbatch
    load_taps_predicated %.Lbatch, \taps, 0
    columns \taps, \pixels, %.Lbatch, \taps
    subs    r1, #2
    bgt.w   4b
    beq     3f
    bx      r11
3:  movs    r1, #16 * \taps
    vadd.i32 q6, q6, r1
    ldr     r1, [sp, #.LTAIL]
    vctp.32 r1
    .endif
    movs    r1, #0
    vldrw.u32 q7, [sp, #.LTAILPLANES]
    .if \taps <= 5
    load_taps_predicated 0, \taps, 0, %(16*\taps)
    .else
    load_taps_predicated 0, 1, 0
    .endif
    b.w     2b
    .size   gen_core_armv8_1m_mve_toeplitz_\taps\()_\pixels, . - gen_core_armv8_1m_mve_toeplitz_\taps\()_\pixels
.endm

    toeplitz 1, 8
    toeplitz 1, 4
    toeplitz 2, 8
    toeplitz 2, 4
    toeplitz 3, 8
    toeplitz 3, 4
    toeplitz 4, 8
    toeplitz 4, 4
    toeplitz 5, 8
    toeplitz 5, 4
    toeplitz 6, 8
    toeplitz 6, 4
    toeplitz 7, 8
    toeplitz 7, 4

@ ===========================================================================
@ Dot: one pixel
@ ===========================================================================
@
@ Words and filters lie in the same order, so both are vectors as they are. Four
@ channels at once share the words: 5 loads, 4 VMLADAVAs and LETP for 64 MACs, 0.156
@ per MAC. LETP also switches the lanes off that an incomplete last group lacks.
@ Four channels cost 37 more.
@
@ If there are only 1 to 3 channels left, the others are copies of the first of them. The
@ tables of four channels are loaded, and the results stored, with as many lanes on
@ as there are channels.
@
@     r0 r2 r4 r6   sums         r1 r3 r5 r7   their filters
@     r8 words      r9 filters of the four     r10 channels left, less four
@     r11 bytes of a channel's filters
@     r12 zero point

@ Frame
.set .LDOT_INPUT,   0
.set .LDOT_QUADS,   4
.set .LDOT_BIASES,  8           @ these four: of the next channel
.set .LDOT_POSITIVE, 12
.set .LDOT_NEGATIVE, 16
.set .LDOT_OUTPUT,  20
.set .LDOT_FRAME,   24

    function gen_core_armv8_1m_mve_dot
    push    {r4-r11, lr}
    sub     sp, #.LDOT_FRAME + 4
    ldm     r0!, {r1-r8}        @ input, its end, filters, biases, positive, negative, zero point, output
    ldr     r10, [r0, #4]       @ channels
    mov     r9, r3
    sub     r11, r2, r1
    lsr     r2, r11, #2
    strd    r1, r2, [sp, #.LDOT_INPUT]
    strd    r4, r5, [sp, #.LDOT_BIASES]
    strd    r6, r8, [sp, #.LDOT_NEGATIVE]
    mov     r12, r7

1:  mov     r1, r9
    add     r3, r9, r11
    add     r5, r3, r11
    add     r7, r5, r11
    subs    r10, #4
    bmi     6f
2:  ldrd    r8, lr, [sp, #.LDOT_INPUT]
    clrm    {r0, r2, r4, r6}
    dlstp.32 lr, lr
    .p2align 2
3:  vldrw.u32 q0, [r8], #16
    vldrw.u32 q1, [r1], #16
    vmladava.s8 r0, q0, q1
    vldrw.u32 q2, [r3], #16
    vmladava.s8 r2, q0, q2
    vldrw.u32 q3, [r5], #16
    vmladava.s8 r4, q0, q3
    vldrw.u32 q1, [r7], #16
    vmladava.s8 r6, q0, q1
    letp    lr, 3b

    vmov    q0[2], q0[0], r0, r4
    vmov    q0[3], q0[1], r2, r6
    ldrd    r0, r1, [sp, #.LDOT_BIASES]
    ldrd    r2, r3, [sp, #.LDOT_NEGATIVE]
    add     r4, r10, #4
    vctp.32 r4                  @ more than 4 lanes are 4
    vpst
    vldrbt.u8 q1, [r0], #16     @ as bytes: they need not be aligned
    vadd.i32 q0, q0, q1
    cbz     r1, 5f
    vpstt
    vldrbt.u8 q2, [r1], #16
    vldrbt.u8 q3, [r2], #16
    vpte.s32 lt, q0, zr
    vrmulht.s32 q0, q0, q3
    vrmulhe.s32 q0, q0, q2
    vadd.i32 q0, q0, r12
    vqmovnb.s32 q0, q0
    vqmovnb.s16 q0, q0
    vctp.32 r4
    vpst
    vstrbt.32 q0, [r3], #4
4:  cmp     r10, #0
    ble     7f
    strd    r0, r1, [sp, #.LDOT_BIASES]
    strd    r2, r3, [sp, #.LDOT_NEGATIVE]
    add     r9, r9, r11, lsl #2
    b       1b
5:  vpst                        @ raw
    vstrwt.32 q0, [r3], #16
    b       4b
6:  cmn     r10, #2             @ 2 - 4
    it      lt
    movlt   r3, r1
    it      le
    movle   r5, r1
    mov     r7, r1
    b       2b
7:  add     sp, #.LDOT_FRAME + 4
    pop     {r4-r11, pc}
    .size   gen_core_armv8_1m_mve_dot, . - gen_core_armv8_1m_mve_dot

@ ===========================================================================
@ Winograd: two output channels x two tiles, every point
@ ===========================================================================
@
@ The layout is that of the int16 kernels: a quad has four words, tiles 0 and 1 of the
@ channels (c0, c2), then of (c1, c3), and as many filters, output channels 0 and 1
@ of the same pairs. Vectors that take every other word hold two quads of a
@ tile or of an output channel, for VMLADAVA.S16: 4 loads, 4 of these and LETP for
@ 32 MACs, 0.281 per MAC, and 9 instructions a point.
@
@ That is more per MAC, and by more than the multiplications that Winograd's form
@ saves: on this core it is there so that models in this form can be drawn.
@
@     r0 r2 r4 r6   sums: ch0.tile0 ch0.tile1 ch1.tile0 ch1.tile1
@     r8 input      r9 filters   r10 words for the lanes, two a quad   r11 points left
@     r12 sums      r5 bytes of a point

@ Structure `RawWinograd`: input, filters, quads, points, sums, read by LDM.
    function gen_core_armv8_1m_mve_winograd
    push    {r4-r11, lr}
    vpush   {d8-d15}
    sub     sp, #4
    ldm     r0, {r8-r12}        @ input, filters, quads, points, sums
    lsls    r5, r10, #4
    lsls    r10, r10, #1
    movs    r0, #0
    vidup.u32 q5, r0, #8        @ 0, 8, 16, 24
    subs    r8, #32
    subs    r9, #32
1:  vadd.i32 q7, q5, r8
    vadd.i32 q6, q5, r9
    clrm    {r0, r2, r4, r6}
    dlstp.32 lr, r10
    .p2align 2
2:  vldrw.u32 q1, [q7, #36]
    vldrw.u32 q0, [q7, #32]!
    vldrw.u32 q3, [q6, #36]
    vldrw.u32 q2, [q6, #32]!
    vmladava.s16 r0, q0, q2
    vmladava.s16 r2, q1, q2
    vmladava.s16 r4, q0, q3
    vmladava.s16 r6, q1, q3
    letp    lr, 2b
    stm     r12!, {r0, r2, r4, r6}
    add     r8, r5
    add     r9, r5
    subs    r11, #1
    bne     1b
    add     sp, #4
    vpop    {d8-d15}
    pop     {r4-r11, pc}
    .size   gen_core_armv8_1m_mve_winograd, . - gen_core_armv8_1m_mve_winograd

@ ===========================================================================
@ Stage: int8 pixels to planes
@ ===========================================================================
@
@ The words stay as they are. A group of a pixel lies in memory as a vector and is
@ stored to four planes, the pointers moving on by a column: 4 instructions for 16
@ values. Of an incomplete group the lanes are switched off, 5 instructions.
@
@     r0 source     r1 columns   r2 quads left   r3 pixel
@     r4 source of the column    r5 bytes of four planes
@     q6 -> planes, less a word  q7 -> the column before

@ Structure `RawStage`: source, columns, quads, pixel, output, plane, by LDM.
    function gen_core_armv8_1m_mve_stage
    push    {r4-r7, lr}
    vpush   {d12-d15}
    ldm     r0, {r0-r5}
    movs    r6, #0
    vidup.u32 q6, r6, #4        @ 0, 4, 8, 12
    vmul.i32 q6, q6, r5
    subs    r4, #4
    vadd.i32 q6, q6, r4
    lsls    r5, r5, #4
    subs    r2, #4
    blo     3f
1:  vmov    q7, q6
    mov     r4, r0
    dls     lr, r1
    .p2align 2
2:  vldrb.u8 q0, [r4]
    add     r4, r3
    vstrw.32 q0, [q7, #4]!
    le      lr, 2b
    vadd.i32 q6, q6, r5
    adds    r0, #16
    subs    r2, #4
    bhs     1b
3:  adds    r2, #4
    beq     5f
    vctp.32 r2
    dls     lr, r1
    .p2align 2
4:  vpstt
    vldrbt.u8 q0, [r0]
    vstrwt.32 q0, [q6, #4]!
    add     r0, r3
    le      lr, 4b
5:  vpop    {d12-d15}
    pop     {r4-r7, pc}
    .size   gen_core_armv8_1m_mve_stage, . - gen_core_armv8_1m_mve_stage

@ Assembly that follows in the same compilation finds everything as it was.
    .irp    name, function, channels, sums_to_vectors, add_to_vectors
    .purgem \name
    .endr
    .irp    name, load_tap, load_tap_move, load_tap_predicated
    .purgem \name
    .endr
    .irp    name, load_column, load_column_move, multiply
    .purgem \name
    .endr
    .irp    name, load_taps_predicated, multiply_column, columns, toeplitz
    .purgem \name
    .endr
    .noaltmacro
    .text
