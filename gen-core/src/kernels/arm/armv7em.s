@ Kernels for Armv7E-M and Armv8-M cores with the DSP extension (Cortex-M4, M7,
@ M33, ...). Integer registers only: no FPU is needed.
@
@     gen_core_armv7em_toeplitz_{taps}_{pixels}   a row of pixels, int8 filters
@     gen_core_armv7em_dot                        one pixel, int8 filters
@     gen_core_armv7em_stage                      int8 pixels to staged words
@
@ Every function takes one pointer, to the structure given with it, follows the
@ procedure call standard and needs at most 84 bytes of stack. It lives in a
@ section of its own, so that the linker drops what nobody calls.
@
@ Include this file by `global_asm!(include_str!("armv7em.s"), options(raw))`. On
@ Armv8-M targets the DSP extension is optional and has to be announced by a
@ string before it, `".cpu cortex-m33"`: LLVM reads the assembly once without
@ looking at `-C target-cpu`.
@
@ Words used throughout
@
@   quad      four neighbouring channels c0 c1 c2 c3 of one pixel or one tap.
@   half      SMLAD adds two products of int16 pairs, so a quad is two SMLADs:
@             half A has (c0, c2), half B (c1, c3), first one low. This odd
@             pairing is what SXTB16 makes of the four bytes of a word, as they
@             are (A) or rotated by 8 bits (B), so the order costs nothing.
@   plane     the words of one half of one quad for all columns, side by side.
@   channel   an output channel.
@
@ Costs are counted in instructions. A MAC is one multiplication with its
@ addition; an SMLAD does two, so no kernel can need less than 0.5 per MAC.

    .syntax unified
    .thumb
    .altmacro                   @ %expression in a macro argument: its value

@ Opens function `name` in its own section. Loops that matter align themselves.
.macro function name
    .section .text.\name,"ax",%progbits
    .p2align 2
    .globl  \name
    .type   \name,%function
    .thumb_func
\name:
.endm

@ Instructions whose register numbers are computed.
.macro multiply acc, word, tap
    smlad   r\acc, r\word, r\tap, r\acc
.endm
.macro widen_a to, from
    sxtb16  r\to, r\from
.endm
.macro widen_b to, from
    sxtb16  r\to, r\from, ror #8
.endm

@ ===========================================================================
@ Channels: what surrounds the loops of the Toeplitz and dot kernels
@ ===========================================================================
@
@ Structure `RawArgs`
@
@    0 input        staged words, 4-aligned: [quad][half A, B][plane]. Taps of
@                   several rows are simply more quads. A plane has K + N words
@                   for K taps and N pixels, the last one unused; for dot, 1.
@    4 input_end    input + quads * 2 planes; at least one quad
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
@ A kernel proper is only the loop over the quads of one channel. What comes
@ before and after it depends on the number of pixels alone, so there is one
@ copy per pixel count: `channels_N`. The two jump to each other:
@
@     kernel entry -> channels_N: fill the frame, first channel
@     channels_N   -> loop        `ldr pc` of the frame's ENTRY
@     loop         -> channels_N  `ldm` of the frame's head, whose last word
@                                 is the address of the right epilogue
@
@ Both jumps come for free: the loop is unrolled and needs a computed entry
@ anyway, and the epilogue has to load its operands anyway. So the modes
@ (two multipliers, one, raw) cost no test per channel.
@
@ Registers at the jump into the loop (N = pixels):
@     r(12-N)..r11  accumulators, all equal to the bias
@     r0            filters of the channel
@     lr            staged words, moved by the bias the kernel asked for
@ At the jump out of it: accumulators as above, and FILTERS in the frame is
@ the next channel's. All other registers are the loop's to use.

@ Frame. The order is chosen for its readers: the head up to EPILOGUE is one LDM,
@ and LDRD reads LAST and FILTERS, FILTERS and END, or START and BIAS together.
.set .LGAP,         0           @ bytes from a positive to its negative multiplier
.set .LZERO,        4           @ zero point
.set .LSTEP,        8           @ bytes from pixel to pixel
.set .LMULTIPLIER,  12          @ -> positive multiplier of this channel
.set .LOUTPUT,      16          @ -> this channel in pixel 0
.set .LEPILOGUE,    20          @ code address
.set .LLAST,        24          @ MULTIPLIER behind the last channel
.set .LFILTERS,     28          @ filters of the channel
.set .LEND,         32          @ lr behind the last quad
.set .LSTART,       36          @ lr at the first quad
.set .LBIAS,        40          @ bytes from a multiplier to the channel's bias
.set .LENTRY,       44          @ code address
.set .LFRAME,       48

@ Jumps from the loop to the epilogue, loading its operands:
@ r0 gap, r1 zero point, r2 step, r3 multiplier, r12 output.
.macro leave_loop
    ldm     sp, {r0-r3, r12, pc}
.endm

.macro first_accumulator acc
    ldr     r\acc, [r3, r12]
.endm
.macro copy to, from
    mov     r\to, r\from
.endm

@ One output value: requantise register `acc` by `mode`, store it as `pixel`.
@
@ (acc * m + 2^31) >> 32, plus the zero point, is a single SMMLAR. With two
@ multipliers the sign of the accumulator, spread over a word, masks the gap
@ between the two tables: no compare, no branch, no second multiplier register.
@
@ STRB and STR can add step << 0..3 to a base, which reaches pixels 1, 2, 4
@ from the output pointer r12. Pixels 3, 5 are 1 + 2, 1 + 4, and 6, 7 are
@ 5 + 1, 5 + 2: two more bases, kept in the register `base` of an accumulator
@ that was stored already. Pixel 0 is last, as its store can move r12 on.
.macro output_pixel mode, pixel, acc, base, store, size
    .ifc \mode,two
    and     lr, r0, r\acc, asr #31
    ldr     lr, [r3, lr]
    .endif
    .ifnc \mode,raw
    smmlar  r\acc, r\acc, lr, r1
    ssat    r\acc, #8, r\acc
    .endif
    .if \pixel == 3
    add     r\base, r12, r2
    .endif
    .if \pixel == 6
    add     r\base, r\base, r2, lsl #2
    .endif
    .if \pixel == 0
    \store  r\acc, [r12], #\size
    .endif
    .if \pixel == 1
    \store  r\acc, [r12, r2]
    .endif
    .if \pixel == 2
    \store  r\acc, [r12, r2, lsl #1]
    .endif
    .if \pixel == 4
    \store  r\acc, [r12, r2, lsl #2]
    .endif
    .if \pixel == 3 || \pixel == 7
    \store  r\acc, [r\base, r2, lsl #1]
    .endif
    .if \pixel == 5
    \store  r\acc, [r\base, r2, lsl #2]
    .endif
    .if \pixel == 6
    \store  r\acc, [r\base, r2]
    .endif
.endm

.macro output_pixels mode, pixels, store, size
    .irp pixel, 1, 2, 4, 3, 5, 6, 7, 0
    .if \pixel < \pixels
    output_pixel \mode, \pixel, %(12-\pixels+\pixel), %(12-\pixels+1), \store, \size
    .endif
    .endr
.endm

@ A channel of N pixels costs, apart from its loop: 6 + N up to the loop, 2 to
@ leave it, 5 N with two multipliers, 3 N with one, N when raw, and 1 to 4 for
@ the extra bases and to move on: 59 instructions for 8 pixels, two multipliers.
.macro channels pixels
    .section .text.gen_core_armv7em_channels_\pixels,"ax",%progbits
    .p2align 2
    .type   gen_core_armv7em_channels_\pixels,%function
    .thumb_func
@ From the kernel: r0 call, r1 address of the loop's entry, r2 what to add to
@ input for lr. r3 and r12 are free.
gen_core_armv7em_channels_\pixels:
    push    {r4-r11, lr}
    sub     sp, #.LFRAME
    ldm     r0!, {r3-r8}        @ input, its end, filters, biases, positive, negative
    ldm     r0, {r9-r12}        @ zero point, output, step, channels
    add     r3, r2              @ start
    add     r4, r2              @ end
    adr.w   lr, 10f
    subs    r8, r8, r7          @ gap
    bne     1f
    adr.w   lr, 11f
1:  cbnz    r7, 2f
    mov     r7, r6              @ raw: count channels along the biases
    adr.w   lr, 12f
2:  orr     lr, lr, #1          @ Thumb
    sub     r6, r6, r7          @ bias
    add     r0, r7, r12, lsl #2 @ last
    strd    r8, r9, [sp, #.LGAP]
    str     r11, [sp, #.LSTEP]
    str     lr, [sp, #.LEPILOGUE]
    strd    r0, r5, [sp, #.LLAST]
    strd    r4, r3, [sp, #.LEND]
    strd    r6, r1, [sp, #.LBIAS]
    mov     r3, r7
    mov     r12, r10
    b       3f

@ Epilogues, entered by `leave_loop`. The dearest runs on into the next channel.
    .p2align 2
10: output_pixels two, \pixels, strb, 1
    adds    r3, #4

@ Next channel: r3 its multiplier, r12 its output.
3:  strd    r3, r12, [sp, #.LMULTIPLIER]
    ldrd    r12, r0, [sp, #.LLAST]      @ last, filters
    cmp     r3, r12
    beq     4f
    ldrd    lr, r12, [sp, #.LSTART]     @ start, bias
    first_accumulator %(12-\pixels)
    .set .Lacc, 12 - \pixels + 1
    .rept \pixels - 1
    copy    %.Lacc, %(12-\pixels)
    .set .Lacc, .Lacc + 1
    .endr
    ldr     pc, [sp, #.LENTRY]
4:  add     sp, #.LFRAME
    pop     {r4-r11, pc}

    .p2align 2
11: ldr     lr, [r3], #4
    output_pixels one, \pixels, strb, 1
    b       3b
    .p2align 2
12: output_pixels raw, \pixels, str, 4
    adds    r3, #4
    b       3b
    .size   gen_core_armv7em_channels_\pixels, . - gen_core_armv7em_channels_\pixels
.endm

    channels 1
    channels 4
    channels 5
    channels 6
    channels 8

@ ===========================================================================
@ Toeplitz: K taps along x, N pixels at once
@ ===========================================================================
@
@ Pixel i is the sum over t of word[i + t] * tap[t]. Done pixel by pixel that
@ is two loads per SMLAD; with the K taps and N accumulators in registers a
@ half needs its K taps once and each of its W = N + K - 1 words once, each word
@ feeding up to K SMLADs. What is left to save are instructions around them.
@
@ Registers. N accumulators, K taps, two words, the filter pointer and the
@ staged pointer are 14 for N + K = 10. At 11 the filter pointer lives in the
@ frame and only passes through; below 10 there are more than two for words. In
@ this order:
@
@     r0               filter pointer; if N + K = 11, the first word
@     up to r(11-N)    words, held filters (below), taps
@     r12              last tap
@     r(12-N)..r11     accumulators
@     lr               staged pointer
@
@ Words come from the highest down, two per LDRD. Tap t serves words t..t+N-1,
@ so on the way down the high taps die, and their registers and those of the
@ words let one LDM bring the last `low` words of the plane.
@
@ Half B comes first. Its plane lies behind half A's, so the LDM of its lowest
@ words can reach down across the spare word into plane A, whose highest words
@ then arrive `early`. (The spare word is read there, but never behind plane B,
@ where it may lie outside the caller's memory.)
@
@ Held filters: where registers abound, a quad's filters stay as loaded for the
@ second half, instead of being loaded twice.
@
@ lr. LDMDB reads below lr, so lr rests at word `low` of a plane. All LDRDs count
@ from where the previous half left it, and the last LDRD of a half, which loads
@ words low and low + 1, writes its address back. Nothing is left to add.
@
@ Instructions per quad, 4NK MACs: 2NK SMLAD, 2K SXTB16, 2 loads of taps (1 if
@ held), (W - low)/2 + 1 loads of words per half, `early` words less in half A,
@ and 3/U to loop, unrolled U times; 3 + 2/U if the filter pointer is in the
@ frame, from where one LDRD brings it together with the end.

@ Register in place `place` of the order above, to .Lregister.
.macro find_register place, pixels
    .set .Lregister, \place
    .if \place > 11 - \pixels
    .set .Lregister, 12
    .endif
.endm

@ Loads of words: two at a time from lr + offset; `move` also moves lr there.
.macro load_words low, high, offset
    ldrd    r\low, r\high, [lr, #\offset]
.endm
.macro load_words_move low, high, offset
    ldrd    r\low, r\high, [lr, #\offset]!
.endm

@ LDMDB of .Lcount words below lr. `gather` starts with no registers and adds
@ them one by one: .Learly words from .Lnext on, the rest from free place .Lplace
@ on.
.macro gather pixels, low, regs:vararg
    .if .Lcount == 0
    ldmdb   lr, {\regs}
    .else
    .if .Learly > 0
    find_register %.Lnext, \pixels
    .set .Lnext, .Lnext + 1
    .set .Learly, .Learly - 1
    .else
    free_register \pixels, \low
    .endif
    .set .Lcount, .Lcount - 1
    gather_more \pixels, \low, %.Lregister, \regs
    .endif
.endm
.macro gather_more pixels, low, register, regs:vararg
    .ifb \regs
    gather  \pixels, \low, r\register
    .else
    gather  \pixels, \low, \regs, r\register
    .endif
.endm
@ Register of free place .Lplace (words first, then dead taps); counts it up.
.macro free_register pixels, low
    .if .Lplace < .Lp
    find_register %(.Lwords+.Lplace), \pixels
    .else
    find_register %(.Ltaps+\low+.Lplace-.Lp), \pixels
    .endif
    .set .Lplace, .Lplace + 1
.endm
.macro load_one to
    ldr     r\to, [lr, #-4]
.endm

@ Loads of taps as int8: upwards for half B, which comes first, and once more
@ from behind them for half A. Held filters are read once.
.macro load_taps first, last
    ldm     r0!, {r\first-r\last, r12}
.endm
.macro load_taps_again base, first, last
    ldmdb   r\base, {r\first-r\last, r12}
.endm
.macro load_held first, last
    .if \first == \last
    ldr     r\first, [r0], #4
    .else
    ldm     r0!, {r\first-r\last}
    .endif
.endm
.macro load_filter_pointer to
    ldr     r\to, [sp, #.LFILTERS]
.endm

@ The taps of a half from the quad's filters, the last one first: it is needed
@ first. Held filters are in other registers than the taps.
.macro widen_taps taps, pixels, widen
    .set .Ltap, \taps - 1
    .rept \taps
    find_register %(.Ltaps+.Ltap), \pixels
    .if .Lhold
    \widen  %.Lregister, %(.Lheld+.Ltap)
    .else
    \widen  %.Lregister, %.Lregister
    .endif
    .set .Ltap, .Ltap - 1
    .endr
.endm

@ All products of word number .Lword, in register `word`, last tap first:
@ neighbouring SMLADs have different accumulators.
.macro multiply_word taps, pixels, word
    .set .Ltap, \taps - 1
    .rept \taps
    .if .Ltap <= .Lword && .Lword - .Ltap < \pixels
    find_register %(.Ltaps+.Ltap), \pixels
    multiply %(12-\pixels+.Lword-.Ltap), \word, %.Lregister
    .endif
    .set .Ltap, .Ltap - 1
    .endr
.endm

@ One half. `arrived` words are in the word registers already, the last LDM takes
@ `low` of this plane and `early` of the one below. .Lat is where lr points,
@ counted in words from the start of this plane.
.macro half taps, pixels, widen, arrived, low, early
    .set .Lword, \taps + \pixels - 2
    .if \arrived > 0
    widen_taps \taps, \pixels, \widen
    .set .Lnext, .Lwords + \arrived - 1
    .rept \arrived
    multiply_word \taps, \pixels, %.Lnext
    .set .Lnext, .Lnext - 1
    .set .Lword, .Lword - 1
    .endr
    .endif

    .rept (\taps + \pixels - 1 - \arrived - \low) / 2
    .if .Lword == \low + 1
    load_words_move %.Lwords, %(.Lwords+1), %(4*(.Lword-1-.Lat))
    .set .Lat, \low
    .else
    load_words %.Lwords, %(.Lwords+1), %(4*(.Lword-1-.Lat))
    .endif
    .if .Lword == \taps + \pixels - 2
    @ The first load takes its time while the taps are widened.
    widen_taps \taps, \pixels, \widen
    .endif
    multiply_word \taps, \pixels, %(.Lwords+1)
    .set .Lword, .Lword - 1
    multiply_word \taps, \pixels, %.Lwords
    .set .Lword, .Lword - 1
    .endr

    @ Free places: the words, then the taps from `low` on. This plane's words
    @ take the last of them, the early words the first, the spare one between.
    .set .Lfree, .Lp
    .if \taps > \low
    .set .Lfree, .Lp + \taps - \low
    .endif
    .set .Lspare, (\early > 0) & 1
    .if .Lfree < \low + \early + .Lspare
    .error  "too few free registers for the last words"
    .endif
    .set .Lplace, .Lfree - \low
    .if \early == 0 && \low == 1
    free_register \pixels, \low
    load_one %.Lregister
    .elseif \low > 0
    .set .Lnext, .Lwords
    .set .Learly, \early
    .set .Lplace, .Lplace - .Lspare
    .set .Lcount, \early + .Lspare + \low
    gather  \pixels, \low
    .endif
    .set .Lword, \low - 1
    .rept \low
    .set .Lplace, .Lfree - \low + .Lword
    free_register \pixels, \low
    multiply_word \taps, \pixels, %.Lregister
    .set .Lword, .Lword - 1
    .endr
.endm

.macro load_filters_and_end
    ldrd    r0, r1, [sp, #.LFILTERS]
.endm

@ gen_core_armv7em_toeplitz_{taps}_{pixels}(call), unrolled `unroll` times (a power
@ of two), with the last words of the halves as described above.
@
@ All the bodies but the last are the same text and thus the same size, and
@ every body moves lr and the filter pointer on by itself, so starting the first
@ round at body -quads mod unroll is all it takes to do any number of quads.
.macro toeplitz taps, pixels, unroll, hold, low_b, early, low_a
    .set .Lspill, (\taps + \pixels == 11) & 1
    .set .Lhold, \hold
    .set .Ltaps, 13 - \pixels - \taps
    .set .Lheld, .Ltaps - \taps * \hold
    .set .Lwords, 1 - .Lspill
    .set .Lp, .Lheld - .Lwords

    function gen_core_armv7em_toeplitz_\taps\()_\pixels
    ldrd    r1, r2, [r0]        @ input, input_end
    sub     r2, r2, r1
    movs    r3, #8 * (\taps + \pixels)
    udiv    r2, r2, r3          @ quads
    rsbs    r2, r2, #0
    and     r2, r2, #\unroll - 1
    ldr     r3, 8f              @ bytes of a body
    adr.w   r1, 5f
    mla     r1, r2, r3, r1
    adds    r1, #1              @ Thumb
    mov     r2, #4 * \low_a - 8 * (\taps + \pixels)
    b.w     gen_core_armv7em_channels_\pixels
    .p2align 2
8:  .word   6f - 5f
    .p2align 3
5:
    .set .Lbody, 1
    .rept \unroll
    .if .Lhold
    load_held %.Lheld, %(.Ltaps-1)
    .else
    load_taps %.Ltaps, %(11-\pixels)
    .endif
    .if .Lspill
    str     r0, [sp, #.LFILTERS]
    .endif
    .set .Lat, \low_a - 3 * (\taps + \pixels)
    half    \taps, \pixels, widen_b, 0, \low_b, \early
    .if .Lspill
    load_filter_pointer %.Ltaps
    load_taps_again %.Ltaps, %.Ltaps, %(11-\pixels)
    .elseif .Lhold == 0
    load_taps_again 0, %.Ltaps, %(11-\pixels)
    .endif
    .set .Lat, .Lat + \taps + \pixels
    half    \taps, \pixels, widen_a, \early, \low_a, 0
    .if .Lbody < \unroll
    .if .Lspill
    load_filter_pointer 0
    .endif
    .else
    .if .Lspill
    load_filters_and_end
    .else
    ldr     r1, [sp, #.LEND]
    .endif
    cmp     lr, r1
    bne.w   5b
    .endif
    .if .Lbody == 1
6:
    .endif
    .set .Lbody, .Lbody + 1
    .endr
    .if .Lspill == 0
    str     r0, [sp, #.LFILTERS]
    .endif
    leave_loop
    .size   gen_core_armv7em_toeplitz_\taps\()_\pixels, . - gen_core_armv7em_toeplitz_\taps\()_\pixels
.endm

@            taps pixels unroll hold  low_b early low_a    per quad, per MAC
    toeplitz 1,   8,     4,     1,    2,    0,    2        @ 27.75     0.867
    toeplitz 1,   4,     4,     1,    2,    2,    0        @ 14.75     0.922
    toeplitz 2,   8,     4,     0,    1,    1,    2        @ 47.75     0.746
    toeplitz 2,   4,     4,     1,    3,    0,    3        @ 25.75     0.805
    toeplitz 3,   8,     2,     0,    2,    0,    2        @ 70.00     0.729
    toeplitz 3,   4,     2,     0,    4,    0,    4        @ 37.50     0.781
    toeplitz 4,   6,     2,     0,    3,    0,    3        @ 67.50     0.703
    toeplitz 4,   4,     2,     0,    3,    1,    4        @ 48.50     0.758
    toeplitz 5,   6,     2,     0,    2,    2,    2        @ 85.00     0.708
    toeplitz 5,   5,     2,     0,    3,    0,    3        @ 71.50     0.715
    toeplitz 5,   4,     2,     0,    4,    0,    4        @ 59.50     0.744
    toeplitz 6,   5,     2,     0,    4,    0,    4        @ 86.00     0.717
    toeplitz 6,   4,     2,     0,    3,    1,    4        @ 70.50     0.734
    toeplitz 7,   4,     2,     0,    4,    0,    4        @ 84.00     0.750

@ ===========================================================================
@ Dot: one pixel
@ ===========================================================================
@
@ Nothing to share between pixels: a quad is 2 SXTB16 and 2 SMLAD for 4 MACs,
@ 1 per MAC, plus loads. Four quads take 3 LDMs of 4 words, 19 instructions for
@ 16 MACs. Two groups of four make the loop, 1.28 with its end test; the odd
@ 1..3 quads come first, one at a time, straight through.
@
@     r0 filter pointer    lr staged pointer    r11 accumulator
@     r1-r4 words          r5-r8 filters        r9 tap

.macro dot_group
    ldm     r0!, {r5-r8}
    ldm     lr!, {r1-r4}
    sxtb16  r9, r5
    sxtb16  r5, r5, ror #8
    smlad   r11, r1, r9, r11
    sxtb16  r9, r6
    smlad   r11, r2, r5, r11
    sxtb16  r6, r6, ror #8
    smlad   r11, r3, r9, r11
    sxtb16  r9, r7
    smlad   r11, r4, r6, r11
    ldm     lr!, {r1-r4}
    sxtb16  r7, r7, ror #8
    smlad   r11, r1, r9, r11
    sxtb16  r9, r8
    smlad   r11, r2, r7, r11
    sxtb16  r8, r8, ror #8
    smlad   r11, r3, r9, r11
    smlad   r11, r4, r8, r11
.endm

@ The odd quads lead into either the first or the second group, by the parity of
@ the groups. They come in two copies for that: a copy costs 76 bytes, a test
@ would cost time per channel.
.macro dot_odd
    .rept 3                     @ 24 bytes each: all encodings are wide
    ldr     r5, [r0], #4
    ldrd    r1, r2, [lr], #8
    sxtb16  r9, r5
    sxtb16  r5, r5, ror #8
    smlad   r11, r1, r9, r11
    smlad   r11, r2, r5, r11
    .endr
.endm

    function gen_core_armv7em_dot
    ldrd    r1, r2, [r0]        @ input, input_end
    sub     r2, r2, r1          @ 8 bytes a quad, 32 a group
    adr.w   r1, 5f              @ even: enter at the first group,
    adr.w   r3, 4f              @ or at the odd quads before it
    lsls    r12, r2, #31 - 5    @ bit 5, odd groups, to the sign
    bpl     1f
    adr.w   r1, 6f
    adr.w   r3, 3f
1:  ands    r2, r2, #24         @ 8 * odd quads
    beq     2f
    rsb     r2, r2, #24         @ 8 * bodies to skip
    add     r2, r2, r2, lsl #1  @ 24 bytes a body
    add     r1, r3, r2
2:  adds    r1, #1              @ Thumb
    movs    r2, #0
    b.w     gen_core_armv7em_channels_1

    .p2align 2
3:  dot_odd
    b.w     6f
4:  dot_odd
    b.w     7f                  @ perhaps no groups at all
5:  dot_group
6:  dot_group
7:  ldr     r1, [sp, #.LEND]
    cmp     lr, r1
    bne     5b
    str     r0, [sp, #.LFILTERS]
    leave_loop
    .size   gen_core_armv7em_dot, . - gen_core_armv7em_dot

@ ===========================================================================
@ Stage: int8 pixels to planes of int16 words
@ ===========================================================================
@
@ Structure `RawStage`
@
@    0 source       channel 0 of column 0, of any alignment
@    4 columns      at least one
@    8 quads        of a column, at least one
@   12 pixel        bytes from one column to the next
@   16 output       half A of quad 0, column 0
@   20 plane        words from half A to half B, and on to the next quad's A
@
@ Word j of half h of quad q is the bytes 4q + h and 4q + h + 2 of column j, as
@ int16. Four columns at a time, so that a plane gets its words by one STM; the last
@ 1..3 columns likewise in one pass of their own width. A pass walks through
@ the quads: per quad C loads, 2C SXTB16, 2 stores, 2 steps to the next plane
@ and 2 to loop: 4.5 instructions per quad and column for C = 4, 5 for C = 3.
@
@     r0 source of column 0    r1 output    r2 pixel    r3 3 * pixel
@     r4-r7 pixels as loaded   r8-r11 half A
@     r12 bytes of a plane     lr quads left

.macro stage_quads columns
    .p2align 2
3:
    .if \columns > 1
    ldr     r5, [r0, r2]
    .endif
    .if \columns > 2
    ldr     r6, [r0, r2, lsl #1]
    .endif
    .if \columns > 3
    ldr     r7, [r0, r3]
    .endif
    ldr     r4, [r0], #4
    .set .Lcolumn, 0
    .rept \columns
    widen_a %(8+.Lcolumn), %(4+.Lcolumn)
    .set .Lcolumn, .Lcolumn + 1
    .endr
    store_words 8, %(7+\columns)
    add     r1, r12
    .set .Lcolumn, 0
    .rept \columns
    widen_b %(4+.Lcolumn), %(4+.Lcolumn)
    .set .Lcolumn, .Lcolumn + 1
    .endr
    store_words 4, %(3+\columns)
    add     r1, r12
    subs    lr, #1
    bne     3b
.endm
.macro store_words first, last
    .if \first == \last
    str     r\first, [r1]
    .else
    stm     r1, {r\first-r\last}
    .endif
.endm

@ Frame: source and columns left, output and quads, of the next pass.
    function gen_core_armv7em_stage
    push    {r4-r11, lr}
    ldm     r0, {r0-r5}         @ source, columns, quads, pixel, output, plane
    sub     sp, #16
    strd    r4, r2, [sp, #8]
    mov     r2, r3
    add     r3, r3, r3, lsl #1
    lsl     r12, r5, #2
1:  subs    r1, #4              @ r0 source, r1 columns left
    blo     2f
    add     r4, r0, r2, lsl #2  @ what the next pass starts with
    strd    r4, r1, [sp]
    ldrd    r1, lr, [sp, #8]
    add     r4, r1, #16
    str     r4, [sp, #8]
    stage_quads 4
    ldrd    r0, r1, [sp]
    b       1b
2:  adds    r4, r1, #4
    beq     9f
    ldrd    r1, lr, [sp, #8]
    cmp     r4, #2
    blo     5f
    beq     4f
    stage_quads 3
    b       9f
4:  stage_quads 2
    b       9f
5:  stage_quads 1
9:  add     sp, #16
    pop     {r4-r11, pc}
    .size   gen_core_armv7em_stage, . - gen_core_armv7em_stage

@ Assembly that follows in the same compilation finds everything as it was.
    .irp    name, function, multiply, widen_a, widen_b, leave_loop
    .purgem \name
    .endr
    .irp    name, first_accumulator, copy, output_pixel, output_pixels
    .purgem \name
    .endr
    .irp    name, channels, find_register, load_words, load_words_move
    .purgem \name
    .endr
    .irp    name, gather, gather_more, free_register, load_one, load_taps
    .purgem \name
    .endr
    .irp    name, load_taps_again, load_held, load_filter_pointer, widen_taps
    .purgem \name
    .endr
    .irp    name, multiply_word, half, load_filters_and_end, toeplitz
    .purgem \name
    .endr
    .irp    name, dot_group, dot_odd, stage_quads, store_words
    .purgem \name
    .endr
    .noaltmacro
    .text
