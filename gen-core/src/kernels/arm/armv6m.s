@ Kernels for Armv6-M (Cortex-M0 and M0+).
@
@ Such a core multiplies two 32-bit registers to the lower 32 bits of the product.
@ It has no wide product, no multiply-accumulate and no conditional instructions,
@ and most instructions only take r0-r7. The Toeplitz kernels put two pixels into
@ a word and get two products from one MULS.
@
@   toeplitz_K_N    K taps, N output pixels, from words made by pack_K_N
@   dot             one pixel
@   stage           int8 pixels to planes of words
@
@ All sums wrap modulo 2^32. All functions follow the AAPCS and have a section
@ of their own. The core faults at unaligned loads, so biases and multipliers that
@ are not aligned are loaded by bytes. The first two take a `RawArgs`:
@
@    0 input         words: [tap row][quad][4 channels] (dot), or what pack_K_N
@                    makes of planes (see there)
@    4 input_end     input + all planes; at least one quad
@    8 filters       int8: [output channel][tap row][quad][tap][4 channels], aligned
@   12 biases        one per output channel, any alignment
@   16 positive      multipliers, any alignment; null: sums are the output
@   20 negative      multipliers of negative sums; may be the same
@   24 zero_point
@   28 output        pixel 0, channel 0: int8, or int32 without multipliers
@   32 step          bytes from pixel to pixel
@   36 channels      at least one

        .syntax unified

        .macro  function name
        .section .text.\name, "ax", %progbits
        .p2align 2
        .global \name
        .type   \name, %function
        .thumb_func
\name:
        .endm

        .macro  end_function name
        .size   \name, . - \name
        .endm

@ ---------------------------------------------------------------------------
@ The stack frame of everything that takes a `RawArgs`
@ ---------------------------------------------------------------------------

        .set    .Lmultipliers, 0        @ of the channel: lower and upper half of
                                        @ the positive, then of the negative one
        .set    .Linput, 16
        .set    .Linput_end, 20
        .set    .Lfilters, 24           @ of the next quad, or channel
        .set    .Lbiases, 28            @ biases still to come
        .set    .Lpositive, 32          @ multipliers still to come, or 0: raw
        .set    .Lnegative, 36
        .set    .Lzero_point, 40
        .set    .Loutput, 44            @ pixel 0 of the channel
        .set    .Lstep, 48
        .set    .Lchannels, 52          @ channels still to come
        .set    .Lchunks, 56            @ chunks of a channel (toeplitz)
        .set    .Loffsets, 60           @ the sum of their offsets (toeplitz)
        .set    .Lsums, 64              @ of the pixels, up to eight
        .set    .Lodd, 96               @ not 0 for an odd number of quads (toeplitz)
        .set    .Loffset, 100           @ of a chunk (toeplitz)
        .set    .Lframe, 104

@ Saves the registers and copies the `RawArgs` at r0 into the frame.

        .macro  enter
        push    {r4-r7, lr}
        mov     r4, r8
        mov     r5, r9
        mov     r6, r10
        mov     r7, r11
        push    {r4-r7}
        sub     sp, #.Lframe
        add     r1, sp, #.Linput
        ldm     r0!, {r2-r7}
        stm     r1!, {r2-r7}
        ldm     r0!, {r2-r5}
        stm     r1!, {r2-r5}
        .endm

        .macro  leave
        add     sp, #.Lframe
        pop     {r4-r7}
        mov     r8, r4
        mov     r9, r5
        mov     r10, r6
        mov     r11, r7
        pop     {r4-r7, pc}
        .endm

@ The word at any address. In a model file all are aligned.

        .macro  load_word to, address, scratch
        lsls    \scratch, \address, #30
        beq     21f
        ldrb    \to, [\address]
        ldrb    \scratch, [\address, #1]
        lsls    \scratch, \scratch, #8
        orrs    \to, \scratch
        ldrb    \scratch, [\address, #2]
        lsls    \scratch, \scratch, #16
        orrs    \to, \scratch
        ldrb    \scratch, [\address, #3]
        lsls    \scratch, \scratch, #24
        orrs    \to, \scratch
        b       22f
21:
        ldr     \to, [\address]
22:
        .endm

@ The next bias into r1. Destroys r2 and r3.

        .macro  next_bias
        ldr     r3, [sp, #.Lbiases]
        load_word r1, r3, r2
        adds    r3, #4
        str     r3, [sp, #.Lbiases]
        .endm

@ Ends a channel, whose sums are in the frame, and goes on with the next one at
@ `again` if there is one.

        .macro  finish_channel again, count
        movs    r1, #4 * \count
        bl      gen_core_armv6m_finish
        beq     9f
        b       \again
9:
        leave
        .endm

@ ---------------------------------------------------------------------------
@ finish: the sums of a channel go to the output
@ ---------------------------------------------------------------------------
@
@ Called with the frame on the stack and the bytes of the sums in r1. Destroys all
@ registers. Returns with Z set after the last channel.
@
@ Requantisation needs the upper word of a signed 64-bit product, rounded. With
@ a = ah 2^16 + al and m = mh 2^16 + ml, where al and ml are unsigned halves,
@
@   t  = ah ml + (al ml >> 16)
@   w  = al mh + (t & 0xffff)
@   upper word = ah mh + (t >> 16) + (w >> 16)
@
@ No sum overflows: an unsigned half times a signed half is within
@ -2^31 ... 2^31 - 2^16 - 2^15, and less than 2^16 is added. Bit 15 of w is bit 31 of
@ the lower word, which rounds. The shift of w leaves it in the carry, which the
@ last addition picks up on its way.
@
@   r0 sum, ah   r1 al, w   r2, r3 scratch   r4 ml   r5 mh
@   r6 next sum  r7 pixel   r9 step          r10 end of the sums
@   r11 zero point
@
@ With two multipliers r7 is the frame, and r8 the pixel.

@ The next multiplier of a list into r4. Destroys r2 and r3.

        .macro  next_multiplier pointer
        ldr     r2, [r7, #\pointer]
        load_word r4, r2, r3
        adds    r2, #4
        str     r2, [r7, #\pointer]
        .endm

@ Its halves: the lower one into r4, the upper one into r5, and both to the frame.

        .macro  split halves
        uxth    r3, r4
        asrs    r5, r4, #16
        movs    r4, r3
        str     r4, [r7, #.Lmultipliers + \halves]
        str     r5, [r7, #.Lmultipliers + \halves + 4]
        .endm

@ Writes r0 to the pixel, and goes on at `again` unless it was the last.

        .macro  store_pixel pixel, again
        strb    r0, [\pixel]
        add     \pixel, r9
        cmp     r6, r10
        bne     \again
        .endm

@ Returns whether there are more channels.

        .macro  end_channel
        add     r7, sp, #4              @ the frame
        ldr     r0, [r7, #.Lchannels]
        subs    r0, #1
        str     r0, [r7, #.Lchannels]
        pop     {pc}
        .endm

@ The sum r0 times the multiplier, to the pixel; the end of the channel.

        .macro  requantise pixel, again
        uxth    r1, r0
        asrs    r0, r0, #16
        movs    r2, r1
        muls    r2, r4, r2
        lsrs    r2, r2, #16
        movs    r3, r0
        muls    r3, r4, r3
        adds    r2, r3
        uxth    r3, r2
        asrs    r2, r2, #16
        muls    r1, r5, r1
        adds    r1, r3
        muls    r0, r5, r0
        adds    r0, r2
        asrs    r1, r1, #16
        adcs    r0, r1
        add     r0, r11
        sxtb    r1, r0
        cmp     r1, r0
        bne     7f
        .ifc    \pixel, r1
        mov     r1, r8
        add     r8, r9
        strb    r0, [r1]
        cmp     r6, r10
        bne     \again
        .else
        store_pixel \pixel, \again
        .endif
        end_channel
7:      @ out of range: 127, or -128 if it is negative
        asrs    r0, r0, #31
        movs    r1, #127
        eors    r0, r1
        .ifc    \pixel, r1
        mov     r1, r8
        add     r8, r9
        strb    r0, [r1]
        cmp     r6, r10
        bne     \again
        .else
        store_pixel \pixel, \again
        .endif
        end_channel
        .endm

        function gen_core_armv6m_finish
        push    {lr}
        add     r7, sp, #4
        add     r6, sp, #4 + .Lsums
        adds    r1, r6
        ldr     r2, [r7, #.Loutput]
        ldr     r3, [r7, #.Lstep]
        ldr     r0, [r7, #.Lpositive]
        cmp     r0, #0
        bne     2f
        adds    r0, r2, #4
        str     r0, [r7, #.Loutput]
1:      @ unchanged
        ldm     r6!, {r0}
        str     r0, [r2]
        adds    r2, r3
        cmp     r6, r1
        bne     1b
        end_channel
2:      @ requantised
        mov     r8, r2
        mov     r9, r3
        mov     r10, r1
        adds    r2, #1
        str     r2, [r7, #.Loutput]
        ldr     r0, [r7, #.Lzero_point]
        mov     r11, r0
        ldr     r1, [r7, #.Lnegative]
        ldr     r2, [r7, #.Lpositive]
        cmp     r1, r2
        bne     1f
        next_multiplier .Lpositive
        str     r2, [r7, #.Lnegative]
        asrs    r5, r4, #16
        uxth    r4, r4
        mov     r7, r8
        adds    r0, #128                @ 0 for the zero point -128
        bne     4f
        cmp     r5, #0
        bge     3f
        b       4f
1:      @ two lists
        next_multiplier .Lnegative
        movs    r1, r4
        split   8
        next_multiplier .Lpositive
        movs    r0, r4
        split   0
        cmp     r1, #0
        beq     2f
        cmp     r1, r0
        bne     6f
        mov     r7, r8
        b       4f
2:
        mov     r7, r8
3:      @ ReLU: a negative sum gives the zero point. With one multiplier, which is
        @ not negative, and the zero point -128, it does so too: it can only give
        @ less, and that is out of range.
        ldm     r6!, {r0}
        cmp     r0, #0
        bmi     5f
        requantise r7, 3b
4:      @ one multiplier
        ldm     r6!, {r0}
        requantise r7, 4b
5:
        mov     r0, r11
        store_pixel r7, 3b
        end_channel
6:      @ two multipliers
        ldm     r6!, {r0}
        lsrs    r1, r0, #31
        lsls    r1, r1, #3
        adds    r1, r7
        ldm     r1!, {r4, r5}
        requantise r1, 6b
        end_function gen_core_armv6m_finish

@ ---------------------------------------------------------------------------
@ Toeplitz: K taps along a row, N of its output pixels at a time
@ ---------------------------------------------------------------------------
@
@ A word x of two pixels is l + 2^16 h, where l and h are pixels i and i + N/2 of
@ a plane; see `pack`. Times a weight it is a product for output i and one for
@ output i + N/2. A chunk is the sum p of the products of two channels c:
@
@   p = w0 x0 + w1 x1 = L + 2^16 H,   -2 128 127 <= L, H <= 2 128 128
@
@ Each word has two 32-bit sums in registers: `high` of all H, and `all` of all p.
@ They are all that is needed, as `all` - 2^16 `high` is the sum of all L. To take
@ H out of p, an offset makes L positive, and takes one from H, which could be 2^15
@ otherwise:
@
@   p + 0x7f00 - 2^16 = (L + 0x7f00) + 2^16 (H - 1)
@   0 <= L + 0x7f00 < 2^16,   -2^15 < H - 1 < 2^15
@
@ so that an arithmetic shift by 16 gives H - 1 for any weights and pixels. `high`
@ starts at the bias plus the number of chunks, and `all` at 2^16 + 1 times the
@ bias, minus the offsets of all chunks. What is left at the end is exact modulo
@ 2^32.
@
@ Registers:
@
@   r0 input   r1, r2 words   r3, r4 weights   r5 offset
@   N = 8: high r6, r7, r8, r9   all r10, r11, r12, lr
@   N = 4: high r8, r9   all r10, r11   r6 filters   r7 end of the input
@
@ Per chunk of N = 8: 5 for its weights, 8 for each of four words, 1: 38 for 16
@ products. A quad has 2 K chunks; a turn of two quads has 6 more instructions. Per chunk of N = 4:
@ 4 + 2 * 8 + 1, and 4 more for a quad.

        .macro  word all, high
        ldm     r0!, {r1, r2}
        muls    r1, r3, r1
        muls    r2, r4, r2
        adds    r1, r2
        adds    r1, r5
        add     \all, r1
        asrs    r1, r1, #16
        add     \high, r1
        .endm

@ Two weights into r3 and r4, of channels `c` and `c` + 1 at tap `t`.

        .macro  weights filters, t, c
        ldrh    r4, [\filters, #4 * \t + \c]
        sxtb    r3, r4
        sxth    r4, r4
        asrs    r4, r4, #8
        .endm

        .macro  chunk_8 t, c
        .if     \t + \c                 @ the end of the last turn leaves it there
        ldr     r1, [sp, #.Lfilters]
        .endif
        weights r1, \t, \c
        word    r10, r6
        word    r11, r7
        word    r12, r8
        word    lr, r9
        .endm

        .macro  chunk_4 t, c
        weights r6, \t, \c
        word    r10, r8
        word    r11, r9
        .endm

@ All taps of two channels: each begins a word further, and then the next two
@ channels come.

        .macro  taps k, n, c, first
        .set    .Lt, \first
        .rept   \k
        chunk_\n .Lt, \c
        .set    .Lt, .Lt + 1
        .if     .Lt < \first + \k
        subs    r0, #4 * \n - 8
        .else
        adds    r0, #8
        .endif
        .endr
        .endm

@ Two sums to pixels `i` and `i` + N/2 of the frame.

        .macro  take_apart n, i, all, high, low=0
        .if     \low                    @ `high` is one of r0-r7
        str     \high, [sp, #.Lsums + 4 * \i + 2 * \n]
        lsls    r1, \high, #16
        .else
        mov     r1, \high
        str     r1, [sp, #.Lsums + 4 * \i + 2 * \n]
        lsls    r1, r1, #16
        .endif
        mov     r2, \all
        subs    r2, r2, r1
        str     r2, [sp, #.Lsums + 4 * \i]
        .endm

        .macro  toeplitz k, n
        .set    .Lquads, 1              @ of a turn
        .if     \k < 7                 @ otherwise the branch does not reach
        .set    .Lquads, 2
        .endif
        function gen_core_armv6m_toeplitz_\k\()_\n
        enter
        ldr     r0, [sp, #.Linput]
        ldr     r1, [sp, #.Linput_end]
        movs    r5, #0x81
        lsls    r5, r5, #8
        rsbs    r5, r5, #0              @ 0x7f00 - 2^16
        movs    r2, #0
        movs    r3, #0
        movs    r4, #0
1:      @ count the chunks, two channels at a time
        .rept   \k
        adds    r3, r5
        .endr
        adds    r2, #\k
        adds    r4, #1
        adds    r0, #4 * (\n + 2 * \k)
        cmp     r0, r1
        bne     1b
        str     r2, [sp, #.Lchunks]
        str     r3, [sp, #.Loffsets]
        str     r5, [sp, #.Loffset]
        lsls    r4, r4, #30             @ twice the quads: bit 31 if they are odd
        str     r4, [sp, #.Lodd]
2:      @ channel
        next_bias
        lsls    r2, r1, #16
        adds    r2, r1
        ldr     r3, [sp, #.Loffsets]
        subs    r2, r2, r3
        ldr     r3, [sp, #.Lchunks]
        adds    r1, r3
        mov     r10, r2
        mov     r11, r2
        mov     r8, r1
        mov     r9, r1
        ldr     r0, [sp, #.Linput]
        ldr     r5, [sp, #.Loffset]
        .if     \n == 8
        mov     r12, r2
        mov     lr, r2
        movs    r6, r1
        movs    r7, r1
        ldr     r1, [sp, #.Lfilters]
        .else
        ldr     r6, [sp, #.Lfilters]
        ldr     r7, [sp, #.Linput_end]
        .endif
        .if     .Lquads == 2
        ldr     r2, [sp, #.Lodd]
        cmp     r2, #0
        beq     3f
        .if     \n == 8                 @ the first turn has only its second quad
        subs    r1, #4 * \k
        str     r1, [sp, #.Lfilters]
        .else
        subs    r6, #4 * \k
        .endif
        b       5f
        .endif
3:      @ one or two quads
        taps    \k, \n, 0, 0
        taps    \k, \n, 2, 0
        .if     .Lquads == 2
5:
        taps    \k, \n, 0, \k
        taps    \k, \n, 2, \k
        .endif
        .if     \n == 8
        ldr     r1, [sp, #.Lfilters]
        adds    r1, #4 * \k * .Lquads
        str     r1, [sp, #.Lfilters]
        ldr     r2, [sp, #.Linput_end]
        cmp     r0, r2
        .else
        adds    r6, #4 * \k * .Lquads
        cmp     r0, r7
        .endif
        beq     4f
        b       3b
4:
        .if     \n == 8
        take_apart 8, 0, r10, r6, 1
        take_apart 8, 1, r11, r7, 1
        take_apart 8, 2, r12, r8
        take_apart 8, 3, lr, r9
        .else
        str     r6, [sp, #.Lfilters]
        take_apart 4, 0, r10, r8
        take_apart 4, 1, r11, r9
        .endif
        finish_channel 2b, \n
        end_function gen_core_armv6m_toeplitz_\k\()_\n
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

@ ---------------------------------------------------------------------------
@ From planes of words to planes of two pixels a word
@ ---------------------------------------------------------------------------
@
@ pack_K_N(input, output, planes, bytes per input plane); the output may be the
@ input. An input plane has N + K pixels of one channel. A packed plane has N/2 + K
@ words, pixel i plus 2^16 times pixel i + N/2 in word i; the words of channels 0
@ and 1 of a quad alternate, then those of channels 2 and 3. The second of two
@ phases that share a plane begins at word 1.
@
@ Two planes go to the stack first, as their packed words would overwrite pixels
@ that are still needed. They are not longer than the two planes.
@
@   r0 input   r1 output   r2 planes left   r3 bytes to the next plane, from the
@   end of the words of this one            r4-r7 pixels

@ Words `i` and `i` + 1 of a plane, or only the first, to the stack.

        .macro  pack_words n, i, odd, both
        .if     \both
        ldm     r0!, {r4, r5}
        ldr     r6, [r0, #2 * \n - 8]
        ldr     r7, [r0, #2 * \n - 4]
        lsls    r6, r6, #16
        lsls    r7, r7, #16
        adds    r4, r6
        adds    r5, r7
        str     r4, [sp, #8 * \i + 4 * \odd]
        str     r5, [sp, #8 * \i + 8 + 4 * \odd]
        .else
        ldm     r0!, {r4}
        ldr     r6, [r0, #2 * \n - 4]
        lsls    r6, r6, #16
        adds    r4, r6
        str     r4, [sp, #8 * \i + 4 * \odd]
        .endif
        .endm

        .macro  pack_plane k, n, odd
        .set    .Li, 0
        .rept   (\n / 2 + \k) / 2
        pack_words \n, .Li, \odd, 1
        .set    .Li, .Li + 2
        .endr
        .if     \k % 2
        pack_words \n, .Li, \odd, 0
        .endif
        adds    r0, r3
        .endm

        .macro  pack k, n
        function gen_core_armv6m_pack_\k\()_\n
        push    {r4-r7, lr}
        sub     sp, #4 * (\n + 2 * \k)
        subs    r3, #2 * \n + 4 * \k
1:      @ two planes
        pack_plane \k, \n, 0
        pack_plane \k, \n, 1
        mov     r12, r2
        mov     r2, sp
        .rept   (\n + 2 * \k) / 4
        ldm     r2!, {r4-r7}
        stm     r1!, {r4-r7}
        .endr
        .if     \k % 2
        ldm     r2!, {r4, r5}
        stm     r1!, {r4, r5}
        .endif
        mov     r2, r12
        subs    r2, #2
        beq     2f
        b       1b
2:
        add     sp, #4 * (\n + 2 * \k)
        pop     {r4-r7, pc}
        end_function gen_core_armv6m_pack_\k\()_\n
        .endm

        pack    1, 8
        pack    1, 4
        pack    2, 8
        pack    2, 4
        pack    3, 8
        pack    3, 4
        pack    4, 8
        pack    4, 4
        pack    5, 8
        pack    5, 4
        pack    6, 8
        pack    6, 4
        pack    7, 8
        pack    7, 4

@ ---------------------------------------------------------------------------
@ Dot product: one pixel
@ ---------------------------------------------------------------------------
@
@   r0 input   r1 filters   r2-r5 inputs   r6 four weights   r7 weight
@   r8 end of the input     r9 sum
@
@ Per quad: 16, and 2 for each turn of two.

        .macro  dot_quad
        ldm     r1!, {r6}
        ldm     r0!, {r2-r5}
        sxtb    r7, r6
        muls    r2, r7, r2
        lsls    r7, r6, #16
        asrs    r7, r7, #24
        muls    r3, r7, r3
        lsls    r7, r6, #8
        asrs    r7, r7, #24
        muls    r4, r7, r4
        asrs    r6, r6, #24
        muls    r5, r6, r5
        adds    r2, r3
        adds    r4, r5
        adds    r2, r4
        add     r9, r2
        .endm

        function gen_core_armv6m_dot
        enter
        ldr     r0, [sp, #.Linput_end]
        mov     r8, r0
1:      @ channel
        next_bias
        mov     r9, r1
        ldr     r0, [sp, #.Linput]
        ldr     r3, [sp, #.Linput_end]
        mov     r8, r3
        ldr     r1, [sp, #.Lfilters]
        subs    r2, r3, r0
        lsls    r2, r2, #27             @ bit 31 if the quads are odd
        bmi     3f
2:      @ two quads
        dot_quad
3:
        dot_quad
        cmp     r0, r8
        bne     2b
        str     r1, [sp, #.Lfilters]
        mov     r1, r9
        str     r1, [sp, #.Lsums]
        finish_channel 1b, 1
        end_function gen_core_armv6m_dot

@ ---------------------------------------------------------------------------
@ Staging: int8 pixels to a plane of words per channel
@ ---------------------------------------------------------------------------
@
@ Aligned pixels are loaded by words.
@
@   r0 source   r1 output   r2 output of the column   r3 word or value
@   r4, r5, r6 bytes to planes 1, 2 and 3             r7 value
@   r8 source of the column   r9 bytes of its quads   r10 bytes of four planes
@   r11 bytes from pixel to pixel   r12 end of the column   lr end of the columns
@
@ Per quad and column: 14 if they are aligned, 16 otherwise. Per column: 9.

@ The call:  0 source   int8: channel 0 of column 0     4 columns  at least one
@            8 quads    at least one                   12 pixel    bytes
@           16 output   word of channel 0, column 0    20 plane    words

        .macro  stage_columns aligned
1:      @ column
        mov     r0, r8
        movs    r1, r2
        mov     r3, r9
        adds    r3, r0
        mov     r12, r3
2:      @ quad
        .if     \aligned
        ldm     r0!, {r3}
        sxtb    r7, r3
        str     r7, [r1]
        lsls    r7, r3, #16
        asrs    r7, r7, #24
        str     r7, [r1, r4]
        lsls    r7, r3, #8
        asrs    r7, r7, #24
        str     r7, [r1, r5]
        asrs    r3, r3, #24
        str     r3, [r1, r6]
        .else
        ldrb    r3, [r0]
        sxtb    r3, r3
        str     r3, [r1]
        ldrb    r3, [r0, #1]
        sxtb    r3, r3
        str     r3, [r1, r4]
        ldrb    r3, [r0, #2]
        sxtb    r3, r3
        str     r3, [r1, r5]
        ldrb    r3, [r0, #3]
        sxtb    r3, r3
        str     r3, [r1, r6]
        adds    r0, #4
        .endif
        add     r1, r10
        cmp     r0, r12
        bne     2b
        add     r8, r11
        adds    r2, #4
        cmp     r2, lr
        bne     1b
        .endm

        function gen_core_armv6m_stage
        push    {r4-r7, lr}
        mov     r4, r8
        mov     r5, r9
        mov     r6, r10
        mov     r7, r11
        push    {r4-r7}
        ldm     r0!, {r1-r3}
        mov     r8, r1
        lsls    r3, r3, #2
        mov     r9, r3
        lsls    r7, r2, #2
        ldm     r0!, {r2, r3, r4}
        mov     r11, r2
        orrs    r1, r2
        movs    r2, r3
        adds    r7, r2
        mov     lr, r7
        lsls    r4, r4, #2
        lsls    r5, r4, #1
        adds    r6, r5, r4
        lsls    r7, r4, #2
        mov     r10, r7
        lsls    r1, r1, #30
        bne     3f
        stage_columns 1
        b       4f
3:
        stage_columns 0
4:
        pop     {r4-r7}
        mov     r8, r4
        mov     r9, r5
        mov     r10, r6
        mov     r11, r7
        pop     {r4-r7, pc}
        end_function gen_core_armv6m_stage

        .text
