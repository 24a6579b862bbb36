@ Kernels for Armv7-M cores without the DSP extension (Cortex-M3).
@
@ Such a core multiplies two 32-bit registers at a time, which is a waste for int8.
@ The Toeplitz kernels put two pixels into a word and two taps into another, and
@ get four products from one SMLAL. The others make an MLA of every product, and
@ keep the instructions around it few. Filters stay int8 in memory, fetched and
@ extended by one LDRSB.
@
@   toeplitz_K_N    K taps, N output pixels, from words made by pack_K_N
@   dot             one pixel
@   winograd        two output channels by two tiles, 16-bit filters
@   stage           int8 pixels to planes of words
@
@ All sums wrap modulo 2^32. All functions follow the AAPCS and have a section
@ of their own. The first three take a `RawArgs`:
@
@    0 input         words: [tap row][quad][4 channels][plane]. A plane has one
@                    word (dot) or what pack_K_N makes of it (see there)
@    4 input_end     input + all planes; at least one quad
@    8 filters       int8: [output channel][tap row][quad][tap][4 channels]
@   12 biases        one per output channel, any alignment
@   16 positive      multipliers, any alignment; null: sums are the output
@   20 negative      multipliers of negative sums; may be the same
@   24 zero_point
@   28 output        pixel 0, channel 0: int8, or int32 without multipliers
@   32 step          bytes from pixel to pixel
@   36 channels      at least one

        .syntax unified
        .altmacro

@ ---------------------------------------------------------------------------
@ Common pieces
@ ---------------------------------------------------------------------------

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

@ The generators hand out registers by number, 0 to 13, and 13 stands for lr
@ (r14), because sp (r13) is not ours to use: number n is register n + n / 13.
@ A macro cannot take a register's name apart or compute one, but it can paste a
@ computed number after an `r`. That is why one-instruction macros (with a
@ trailing underscore) abound below. Numbers and sizes of the kernel at hand are
@ in symbols, `.Lk` for its K and so on.

        .macro  mla_ acc, pixel, tap
        mla     r\acc, r\pixel, r\tap, r\acc
        .endm

        .macro  mac acc, pixel, tap
        mla_    %((\acc) + (\acc) / 13), \pixel, %((\tap) + (\tap) / 13)
        .endm

@ ---------------------------------------------------------------------------
@ The stack frame of everything that takes a `RawArgs`
@ ---------------------------------------------------------------------------
@
@ What changes from channel to channel and what is needed once per channel
@ lives here, ordered so that every group needed at one time is one LDM or LDRD:

        .set    .Lpositive, 0           @ multipliers still to come, or 0: raw
        .set    .Lnegative, 4           @ bytes from a positive multiplier to its
                                        @ negative one
        .set    .Lzero_point, 8
        .set    .Loutput, 12            @ pixel 0 of the channel
        .set    .Lstep, 16
        .set    .Linput, 20
        .set    .Lfilters, 24           @ of the next quad, or channel
        .set    .Linput_end, 28
        .set    .Lbiases, 32            @ biases still to come
        .set    .Lbiases_end, 36        @ ends the loop over channels
        .set    .Lframe, 44             @ with a word to keep sp a multiple of 8

@ Copies the `RawArgs` at r0 there. Destroys r1-r11.

        .macro  enter extra
        push    {r4-r11, lr}
        .set    .Lextra, \extra         @ bytes above the frame, a multiple of 8
        .if     .Lextra
        sub     sp, #.Lextra
        .endif
        ldm     r0, {r1-r10}
        subs    r6, r6, r5              @ negative - positive
        add     r10, r4, r10, lsl #2    @ biases + channels
        push    {r2, r4, r10, r11}      @ input_end, biases, biases_end
        push    {r1, r3}                @ input, filters
        push    {r5-r9}                 @ positive ... step
        .endm

        .macro  leave
        add     sp, #.Lframe + .Lextra
        pop     {r4-r11, pc}
        .endm

@ Starts a channel: its bias to every accumulator. Expects the address of the
@ bias in r1.

        .macro  bias_ acc
        ldr     r\acc, [r1], #4
        .endm

        .macro  copy_ to, from
        mov     r\to, r\from
        .endm

        .macro  start_channel accs, count
        bias_   %(\accs + (\accs) / 13)
        str     r1, [sp, #.Lbiases]
        .set    .Li, \accs + 1
        .rept   \count - 1
        copy_   %(.Li + .Li / 13), %(\accs)
        .set    .Li, .Li + 1
        .endr
        .endm

@ Goes on with the next channel, if there is one, at `again`; with r1 as
@ `start_channel` expects it.

        .macro  next_channel again
        ldrd    r1, r2, [sp, #.Lbiases]
        cmp     r1, r2
        bne     \again
        .endm

@ Addresses of pixels. A store can add the step shifted by up to 3 bits to its
@ base, so pixels 0, 1, 2 and 4 are reached from pixel 0; then pixels 3 and 5
@ from pixel 1; then 6 and 7 from pixel 5. Eight stores need two additions.
@ `each` names the macro that makes a store of one accumulator.

        .macro  store_pixels each, accs, count
        .set    .Lacc, \accs
        \each   0, <[r3]>
        .if     \count > 1
        \each   1, <[r3, r4]>
        .endif
        .if     \count > 2
        \each   2, <[r3, r4, lsl #1]>
        .endif
        .if     \count > 4
        \each   4, <[r3, r4, lsl #2]>
        .endif
        .if     \count > 3
        add     r3, r4
        \each   3, <[r3, r4, lsl #1]>
        .endif
        .if     \count > 5
        \each   5, <[r3, r4, lsl #2]>
        .endif
        .if     \count > 6
        add     r3, r3, r4, lsl #2
        \each   6, <[r3, r4]>
        .endif
        .if     \count > 7
        \each   7, <[r3, r4, lsl #1]>
        .endif
        .endm

@ Requantisation: hi + (lo >> 31) rounds the 64-bit product to its upper word.
@ Doubling lo leaves that bit in the carry, which the addition of the zero point
@ picks up on its way.

        .macro  round_ acc, multiplier, address
        smull   r5, r\acc, r\acc, \multiplier
        adds    r5, r5
        adc     r\acc, r\acc, r2
        ssat    r\acc, #8, r\acc
        strb    r\acc, \address
        .endm

        .macro  store_one i, address
        round_  %(.Lacc + \i + (.Lacc + \i) / 13), r0, <\address>
        .endm

@ With two multipliers the sign of the accumulator, as a mask, selects whether
@ the difference r1 is added to the positive one: an instruction less than a
@ comparison.

        .macro  select_ acc
        and     r5, r1, r\acc, asr #31
        add     r5, r0
        .endm

        .macro  store_two i, address
        select_ %(.Lacc + \i + (.Lacc + \i) / 13)
        round_  %(.Lacc + \i + (.Lacc + \i) / 13), r5, <\address>
        .endm

        .macro  word_ acc, address
        str     r\acc, \address
        .endm

        .macro  store_raw i, address
        word_   %(.Lacc + \i + (.Lacc + \i) / 13), <\address>
        .endm

@ Ends a channel: `count` accumulators from `accs` on go to the output. They are
@ above r5, and everything up to r5 is free by now:
@
@   r0 positive multiplier   r1 negative - positive   r2 zero point
@   r3 output                r4 step                  r5 scratch

        .macro  finish_channel again, accs, count
        ldm     sp, {r0-r4}
        cbnz    r0, 3f
        adds    r5, r3, #4
        str     r5, [sp, #.Loutput]
        store_pixels store_raw, \accs, \count
        next_channel \again
        leave
3:      @ requantised
        adds    r5, r3, #1
        str     r5, [sp, #.Loutput]
        ldr     r1, [r0, r1]
        ldr     r5, [r0], #4
        str     r0, [sp, #.Lpositive]
        mov     r0, r5
        subs    r1, r5
        beq     4f
        store_pixels store_two, \accs, \count
        next_channel \again
        leave
4:      @ one multiplier does
        store_pixels store_one, \accs, \count
        next_channel \again
        leave
        .endm

@ ---------------------------------------------------------------------------
@ Toeplitz: K taps along a row, N of its output pixels at a time
@ ---------------------------------------------------------------------------
@
@ With X = 2^21, two pixels p and q and two taps v and w make
@
@   (p + q X) (w + v X)  =  p w  +  (p v + q w) X  +  q v X^2
@
@ whose middle is an output pixel, and whose ends belong to its neighbours on
@ the left and right. SMLAL sums such products in 64 bits: three fields of 21,
@ 21 and 22 bits. Pixels come in pairs, pair m being pixels 2m and 2m + 1; taps
@ 2s and 2s + 1 make word s, the last of an odd number being v with w = 0. Pair
@ m times word s belongs to accumulator a = m - s, which collects
@
@   field 0: part of output 2a - 1   field 1: output 2a   field 2: part of 2a + 1
@
@ The last output, N - 1, lacks the part of field 0 of an accumulator N / 2.
@ That is pixel N + 2s times tap 2s + 1; staging provides these pixels once
@ more, shifted to field 2 (10 bits up in the upper half), where an MLA adds
@ their products. So a plane has N/2 + K - 1 words: the K/2 shifted pixels, then
@ the pairs.
@
@ With two taps (a phase of a transposed convolution), two phases share each
@ plane: one whose pairs begin at pixel 0, then one that begins at pixel 1. The
@ input of the second starts in the middle of the first plane, N/2 + 1 words on.
@ With N = 4 it reads the three words after the last plane, and ignores them.
@
@ Exactness. Field 1 gets K products of two int8 per input channel, and may get
@ 64 of them: their sum is within -64 * 128 * 127 ... 64 * 128 * 128, and
@ starting at 0xff000 keeps it within 0 ... 2^21 - 1. So do fields 0, with half
@ as many; field 2 has a bit more and its sign. No field ever borrows from the
@ next, and none overflows. After 16 / K quads, a round, the fields are taken
@ apart and added to 32-bit sums on the stack, from which 0xff000 times the
@ number of rounds was subtracted beforehand. Pixels must be int8 values.
@
@ Registers (numbers as above):
@
@   0                      input
@   1 ... P                pairs
@   P + 1                  filters, ahead by the first tap loaded
@   then (K + 1) / 2       words of taps
@   then, if there is one  end of the round (otherwise on the stack)
@   14 - N ... 13          accumulators, lower halves first
@
@ Per quad: 4 (loads + K + K' + N/2 K' + K/2), where K' = (K + 1)/2 and divisions
@ round down: taps and their shifts, SMLAL and MLA. For K = 2, N = 8: 40 for 64
@ products. A turn of the loop has two quads and 2 or 3 instructions of its own;
@ a round of an odd number of quads enters it in the middle.

        .set    .Lsums, .Lframe

        .macro  smlal_ low, high, pair, taps
        smlal   r\low, r\high, r\pair, r\taps
        .endm

        .macro  pmac a, pair, taps
        smlal_  %(.Laccs + 2 * (\a) + (.Laccs + 2 * (\a)) / 13), %(.Laccs + 2 * (\a) + 1 + (.Laccs + 2 * (\a) + 1) / 13), \pair, \taps
        .endm

@ Tap `tap` of channel c into register `to`; the first of a quad moves on.

        .macro  ptap_ to, base, c, tap
        .if     (\c == 0) && (\tap == .Lfirst)
        ldrsb   r\to, [r\base], #4 * .Lk
        .else
        ldrsb   r\to, [r\base, #4 * (\tap) + \c - 4 * .Lfirst - 4 * .Lk]
        .endif
        .endm

        .macro  shift_taps_ to
        lsls    r\to, r\to, #21
        .endm

        .macro  join_ to, with
        add     r\to, r\to, r\with, lsl #21
        .endm

@ A word of the plane, in register number `pair`. The shifted pixels are first,
@ and each is there when its tap is, but before that becomes a word of two.

        .macro  use_word c, pair
        .if     .Lj < .Lk / 2
        ptap_   %(.Ltaps + .Lj), %(.Lbase), \c, %(2 * .Lj + 1)
        mac     13, \pair, %(.Ltaps + .Lj)
        ptap_   \pair, %(.Lbase), \c, %(2 * .Lj)
        join_   %(.Ltaps + .Lj), \pair
        .else
        .set    .Lt, 0
        .rept   (.Lk + 1) / 2
        .set    .La, .Lj - .Lk / 2 - .Lt
        .if     (.La >= 0) && (.La < .Ln / 2)
        pmac    %(.La), \pair, %(.Ltaps + .Lt)
        .endif
        .set    .Lt, .Lt + 1
        .endr
        .endif
        .set    .Lj, .Lj + 1
        .endm

        .macro  load_many_ count
        ldm     r0!, {r1-r\count}
        .endm

        .macro  load_pointers_ filters
        ldrd    r0, r\filters, [sp, #.Linput]
        .endm

        .macro  save_filters_ from
        str     r\from, [sp, #.Lfilters]
        .endm

@ The next words of the plane; the last of them also step over what the other
@ phase has in it, .Lskip words. Either the step of an LDRD or LDR does it, or
@ there are registers to load those words, too.

        .macro  load_words
        .set    .Lloaded, .Lp
        .if     .Lleft + .Lskip <= .Lp
        .set    .Lloaded, .Lleft
        load_many_ %(.Lleft + .Lskip)
        .elseif .Lleft == 2
        .set    .Lloaded, 2
        ldrd    r1, r2, [r0], #4 * (2 + .Lskip)
        .elseif .Lleft == 1
        .set    .Lloaded, 1
        ldr     r1, [r0], #4 * (1 + .Lskip)
        .else
        load_many_ %(.Lp)
        .endif
        .set    .Lleft, .Lleft - .Lloaded
        .endm

        .macro  toeplitz_pass c
        .if     .Lk % 2
        ptap_   %(.Ltaps + .Lk / 2), %(.Lbase), \c, %(.Lk - 1)
        shift_taps_ %(.Ltaps + .Lk / 2)
        .endif
        .set    .Lj, 0
        .set    .Lleft, .Lwords_per_plane
        .rept   .Lwords_per_plane
        .if     .Lleft
        load_words
        .set    .Lr, 1
        .rept   .Lloaded
        use_word \c, %(.Lr)
        .set    .Lr, .Lr + 1
        .endr
        .endif
        .endr
        .endm

@ All fields start at 0xff000, except field 2.

        .macro  clear_ low, high, previous
        mov     r\low, #0xff000
        mov     r\high, #0xff000 >> 11
        .endm

@ Output 2a goes to the lower half of accumulator a, output 2a + 1 to its upper
@ half, so in the end the outputs are in order. Field 0 of an accumulator belongs
@ to the upper half before it, r`previous`.

        .macro  take_apart_ low, high, previous
        .if     .Li > .Laccs
        ubfx    r1, r\low, #0, #21
        add     r\previous, r1, r\previous, asr #10
        .endif
        lsr     r\low, r\low, #21
        bfi     r\low, r\high, #11, #10
        .endm

        .macro  add_sums_ low, high, previous
        ldrd    r1, r2, [sp, #.Lsums + 4 * (.Li - .Laccs)]
        add     r\low, r1
        add     r\high, r2
        .endm

        .macro  each_pair what
        .set    .Li, .Laccs
        .rept   .Ln / 2
        \what   %(.Li), %(.Li + 1 + (.Li + 1) / 13), %(.Li - 1)
        .set    .Li, .Li + 2
        .endr
        .endm

        .macro  save_sums_ first
        stm     r1, {r\first-r12, lr}
        .endm

        .macro  toeplitz_quad
        toeplitz_pass 0
        toeplitz_pass 1
        toeplitz_pass 2
        toeplitz_pass 3
        .endm

        .macro  keep_end_ to
        .if     .Lspare
        mov     r\to, r1
        .else
        str     r1, [sp, #.Lround_end]
        .endif
        .endm

        .macro  compare_end_ end
        .if     .Lspare
        cmp     r0, r\end
        .else
        ldr     r1, [sp, #.Lround_end]
        cmp     r0, r1
        .endif
        .endm

        .macro  toeplitz k, n
        .set    .Lk, \k
        .set    .Ln, \n
        .set    .Laccs, 14 - \n
        .set    .Lwords_per_plane, \n / 2 + \k - 1
        .set    .Lp, 12 - \n - (\k + 1) / 2
        .set    .Lskip, 0
        .if     \k == 2                 @ two phases
        .set    .Lskip, .Lwords_per_plane
        .endif
        .if     .Lp > .Lwords_per_plane + .Lskip
        .set    .Lp, .Lwords_per_plane + .Lskip
        .endif
        .set    .Lbase, .Lp + 1
        .set    .Ltaps, .Lp + 2
        .set    .Lfirst, 1              @ the first tap a pass loads
        .if     \k % 2
        .set    .Lfirst, \k - 1
        .endif
        .set    .Lend, .Ltaps + (\k + 1) / 2    @ if this is free
        .set    .Lspare, .Lend < .Laccs
        .set    .Lquad, 16 * (.Lwords_per_plane + .Lskip)
        .set    .Lodd, .Lquad & -.Lquad         @ set in odd multiples of .Lquad
        .set    .Lround, 16 / \k * .Lquad      @ bytes
        .set    .Lround_end, .Lsums + 4 * \n
        .set    .Loffsets, .Lround_end + 4      @ 0xff000 times the rounds

        function gen_core_armv7m_toeplitz_\k\()_\n
        enter   4 * \n + 8
        mov     r5, #0
1:      @ count the rounds
        add     r5, #0xff000
        add     r1, #.Lround
        cmp     r1, r2
        blo     1b
        str     r5, [sp, #.Loffsets]
        adds    r3, #4 * .Lfirst
        str     r3, [sp, #.Lfilters]
        mov     r1, r4
1:      @ channel
        ldr     r2, [r1], #4
        str     r1, [sp, #.Lbiases]
        ldr     r3, [sp, #.Loffsets]
        subs    r3, r2, r3
        .set    .Li, 0
        .rept   \n / 2 - 1
        strd    r3, r3, [sp, #.Lsums + 8 * .Li]
        .set    .Li, .Li + 1
        .endr
        strd    r3, r2, [sp, #.Lsums + 8 * .Li] @ the last has no field 0
        load_pointers_ %(.Lbase)
2:      @ round
        ldr     r2, [sp, #.Linput_end]
        add     r1, r0, #.Lround
        cmp     r1, r2
        it      hi
        movhi   r1, r2
        keep_end_ %(.Lend)
        each_pair clear_
        subs    r1, r0
        tst     r1, #.Lodd
        bne     4f
3:      @ two quads
        toeplitz_quad
4:
        toeplitz_quad
        compare_end_ %(.Lend)
        bne     3b
        each_pair take_apart_
        asr     lr, lr, #10
        each_pair add_sums_
        ldr     r1, [sp, #.Linput_end]
        cmp     r0, r1
        beq     3f
        add     r1, sp, #.Lsums
        save_sums_ %(.Laccs)
        b       2b
3:
        save_filters_ %(.Lbase)
        finish_channel 1b, .Laccs, \n
        end_function gen_core_armv7m_toeplitz_\k\()_\n
        .endm

        toeplitz 1, 8
        toeplitz 1, 4
        toeplitz 2, 8
        toeplitz 2, 4
        toeplitz 3, 8
        toeplitz 3, 4
        toeplitz 4, 6
        toeplitz 4, 4
        toeplitz 5, 6
        toeplitz 5, 4
        toeplitz 6, 4
        toeplitz 7, 4

@ ---------------------------------------------------------------------------
@ From planes of words to packed planes
@ ---------------------------------------------------------------------------
@
@ pack_K_N(input, output, planes, bytes per input plane); the output may be the
@ input, as no packed plane is longer.
@
@   r0 input   r1 output   r2 planes, at least one   r3 bytes per input plane
@   r4-r12, lr pixels, up to ten; pair m ends in the register of its second
@
@ The first pair is made first: r4 is free then, for the shifted pixels.

        .macro  load_plane_ last
        ldm     r0, {r4-r\last}
        .endm

        .macro  pack_pair_ first, second
        add     r\second, r\first, r\second, lsl #21
        .endm

        .macro  pack_shifted_ pixel
        lsl     r4, r\pixel, #10
        .if     .Lk > 3                 @ otherwise goes with the pairs
        str     r4, [r1], #4
        .endif
        .endm

        .macro  store_pairs registers:vararg
        .if     .Lk == 3
        stm     r1!, {r4, \registers}
        .else
        stm     r1!, {\registers}
        .endif
        .endm

@ Two phases: an input plane has N + 2 words, all of them pixels, and is read
@ without r3. Each pair goes to the register of its first pixel: taking the pairs
@ of both phases in turn along the row, that pixel is then done with.

        .macro  pack_phases n
        function gen_core_armv7m_pack_2_\n
        push    {r4-r11, lr}
1:      @ plane
        .if     \n == 8
        ldm     r0!, {r4-r12, lr}
        .else
        ldm     r0!, {r4-r8, lr}
        .endif
        .set    .Li, 4
        .rept   \n
        join_   %(.Li), %(.Li + 1)
        .set    .Li, .Li + 1
        .endr
        .if     \n == 8
        lsl     r3, r12, #10
        stm     r1!, {r3, r4, r6, r8, r10}
        lsl     r4, lr, #10
        stm     r1!, {r4, r5, r7, r9, r11}
        .else
        lsl     r3, r8, #10
        stm     r1!, {r3, r4, r6}
        lsl     r4, lr, #10
        stm     r1!, {r4, r5, r7}
        .endif
        subs    r2, #1
        bne     1b
        pop     {r4-r11, pc}
        end_function gen_core_armv7m_pack_2_\n
        .endm

        .macro  pack k, n
        .set    .Lk, \k
        .set    .Lpairs, \n / 2 + (\k + 1) / 2 - 1
        function gen_core_armv7m_pack_\k\()_\n
        push    {r4-r11, lr}
1:      @ plane
        .if     \n + \k - 1 == 10
        ldm     r0, {r4-r12, lr}
        .else
        load_plane_ %(2 + \n + \k)
        .endif
        add     r0, r3
        pack_pair_ 4, 5
        .set    .Li, 0
        .rept   \k / 2
        pack_shifted_ %(4 + \n + 2 * .Li)
        .set    .Li, .Li + 1
        .endr
        .set    .Li, 1
        .rept   .Lpairs - 1
        pack_pair_ %(4 + 2 * .Li), %(5 + 2 * .Li + (5 + 2 * .Li) / 13)
        .set    .Li, .Li + 1
        .endr
        .if     .Lpairs == 5
        store_pairs r5, r7, r9, r11, lr
        .elseif .Lpairs == 4
        store_pairs r5, r7, r9, r11
        .elseif .Lpairs == 3
        store_pairs r5, r7, r9
        .else
        store_pairs r5, r7
        .endif
        subs    r2, #1
        bne     1b
        pop     {r4-r11, pc}
        end_function gen_core_armv7m_pack_\k\()_\n
        .endm

        pack_phases 8
        pack_phases 4
        pack    1, 8
        pack    1, 4
        pack    3, 8
        pack    3, 4
        pack    4, 6
        pack    4, 4
        pack    5, 6
        pack    5, 4
        pack    6, 4
        pack    7, 4

@ ---------------------------------------------------------------------------
@ Dot product: one pixel
@ ---------------------------------------------------------------------------
@
@ With one output pixel there is nothing to share a load with: each product
@ costs an LDRSB and an MLA. The inputs come eight to an LDM, so two quads make
@ a turn of the loop; an odd quad goes first.
@
@   r0 input         r1-r5, r7-r9 inputs   r6 accumulator
@   r10 filters      r11, r12 weights      lr input_end
@
@ Per two quads: 1 + 8 + 8, and 2 for the loop. The filter pointer never leaves
@ its register: the channels follow one another, and `finish_channel` only uses
@ r0-r5 beside the accumulator.

        .macro  dot_pair input0, input1, offset
        ldrsb   r11, [r10, #\offset]
        ldrsb   r12, [r10, #\offset + 1]
        mla     r6, r\input0, r11, r6
        mla     r6, r\input1, r12, r6
        .endm

        .macro  dot_first input0, input1, step
        ldrsb   r11, [r10], #\step
        ldrsb   r12, [r10, #1 - \step]
        mla     r6, r\input0, r11, r6
        mla     r6, r\input1, r12, r6
        .endm

        function gen_core_armv7m_dot
        enter   0
        mov     r1, r4
        ldrd    r10, lr, [sp, #.Lfilters]
1:      @ channel
        start_channel 6, 1
        ldr     r0, [sp, #.Linput]
        sub     r1, lr, r0
        tst     r1, #16
        beq     2f
        ldm     r0!, {r1-r4}
        dot_first 1, 2, 4
        dot_pair 3, 4, -2
        cmp     r0, lr
        beq     5f
2:      @ two quads
        ldm     r0!, {r1-r5, r7-r9}
        dot_first 1, 2, 8
        dot_pair 3, 4, -6
        dot_pair 5, 7, -4
        dot_pair 8, 9, -2
        cmp     r0, lr
        bne     2b
5:
        finish_channel 1b, 6, 1
        end_function gen_core_armv7m_dot

@ ---------------------------------------------------------------------------
@ Winograd: two output channels by two tiles, all points
@ ---------------------------------------------------------------------------
@
@ In the domain of the transform every point is a plain product of matrices. A
@ block of two by two makes each loaded number serve two MLAs; a larger one does
@ not pay, as the filters (one LDRSH each) must not outnumber the inputs, of
@ which one LDM fetches four.
@
@   r0 input         r2-r5 inputs (two channels by two tiles)
@   r1 filters       r6-r9 sums of output 0 tile 0, 0/1, 1/0, 1/1
@   r10, r11 weights of the two outputs
@   r12 turns left   lr quads its first turn leaves out
@
@ Per quad: 16 MLA, 8 LDRSH, 2 LDM. A turn of the loop has four quads. Every
@ quad moves both pointers by itself, so a point whose quads are no multiple of
@ four simply enters the first turn later.

@ The call:  0 input      words: [point][quad][4 channels][2 tiles]
@            4 filters    int16: [point][quad][8], of channels 0 and 2 for output
@                         0, then for output 1; then the same of channels 1 and 3
@            8 quads      per point, at least one
@           12 points     at least one
@           16 sums       int32: [point][output][tile]

        .macro  winograd_macs tile0, tile1
        mla     r6, \tile0, r10, r6
        mla     r7, \tile1, r10, r7
        mla     r8, \tile0, r11, r8
        mla     r9, \tile1, r11, r9
        .endm

        .macro  winograd_quad
        ldm     r0!, {r2-r5}
        ldrsh   r10, [r1], #16          @ channel 0
        ldrsh   r11, [r1, #4 - 16]
        winograd_macs r2, r3
        ldrsh   r10, [r1, #8 - 16]      @ channel 1
        ldrsh   r11, [r1, #12 - 16]
        winograd_macs r4, r5
        ldm     r0!, {r2-r5}
        ldrsh   r10, [r1, #2 - 16]      @ channel 2
        ldrsh   r11, [r1, #6 - 16]
        winograd_macs r2, r3
        ldrsh   r10, [r1, #10 - 16]     @ channel 3
        ldrsh   r11, [r1, #14 - 16]
        winograd_macs r4, r5
        .endm

        function gen_core_armv7m_winograd
        push    {r4-r11, lr}
        ldm     r0, {r0-r4}
        adds    r5, r2, #3
        lsrs    r5, r5, #2              @ turns
        push    {r3-r5}                 @ points left, sums, turns
        rsbs    r2, r2, #0
        and     lr, r2, #3              @ quads missing to whole turns
        mov     r12, r5
1:      @ point
        mov     r6, #0
        mov     r7, #0
        mov     r8, #0
        mov     r9, #0
        tbh     [pc, lr, lsl #1]
2:      .hword  (3f - 2b) / 2, (4f - 2b) / 2, (5f - 2b) / 2, (6f - 2b) / 2
3:      @ four quads
        winograd_quad
4:
        winograd_quad
5:
        winograd_quad
6:
        winograd_quad
        subs    r12, #1
        bne     3b
        ldm     sp, {r2, r3, r12}
        stm     r3!, {r6-r9}
        subs    r2, #1
        strd    r2, r3, [sp]
        bne     1b
        add     sp, #12
        pop     {r4-r11, pc}
        end_function gen_core_armv7m_winograd

@ ---------------------------------------------------------------------------
@ Staging: int8 pixels to a plane of words per channel
@ ---------------------------------------------------------------------------
@
@ A block of columns is moved at a time, so that one STM takes all of them for
@ one channel. Loads address the columns of a block by adding the distance of
@ pixels, shifted by up to two bits, to one of three pointers: columns 0, 2 and
@ 4 from r0; 1, 3 and 5 from r1; 6 and 7 from r2. The last load through each
@ pointer moves it on to the next channel.
@
@   r0, r1, r2 source (see above)   r3-r10 columns
@   r11 output                      r12 bytes from plane to plane
@   lr bytes from pixel to pixel
@
@ Per channel: `width` LDRSB and 2, so 1.25 per word in a block of eight; the
@ remaining columns go in blocks of 4, 2 and 1.

@ The call:  0 source   int8: channel 0 of column 0     4 columns  at least one
@            8 quads    at least one                   12 pixel    see lr
@           16 output   word of channel 0, column 0    20 plane    words

        .set    .Lsource, 0             @ of the next block
        .set    .Lchannels, 4
        .set    .Lcolumns, 8            @ left
        .set    .Lwords, 12             @ output of the next block
        .set    .Lsource_end, 16        @ where r0 ends in this block
        .set    .Lstage_frame, 20

        .macro  stage_channel width
        .if     \width > 4
        ldrsb   r7, [r0, lr, lsl #2]
        ldrsb   r8, [r1, lr, lsl #2]
        ldrsb   r10, [r2, lr]
        ldrsb   r9, [r2], #1
        .endif
        .if     \width > 2
        ldrsb   r5, [r0, lr, lsl #1]
        ldrsb   r6, [r1, lr, lsl #1]
        .endif
        .if     \width > 1
        ldrsb   r4, [r1], #1
        .endif
        ldrsb   r3, [r0], #1
        .if     \width == 8
        stm     r11, {r3-r10}
        .elseif \width == 4
        stm     r11, {r3-r6}
        .elseif \width == 2
        strd    r3, r4, [r11]
        .else
        str     r3, [r11]
        .endif
        add     r11, r12
        .endm

        .macro  stage_block width, shift
1:      @ block
        ldm     sp, {r0, r3, r4, r11}
        subs    r4, #\width
        blo     3f
        add     r1, r0, lr
        add     r2, r1, lr
        add     r2, r2, lr, lsl #2
        add     r5, r0, lr, lsl #\shift
        add     r6, r11, #4 * \width
        add     r3, r0
        str     r5, [sp, #.Lsource]
        strd    r4, r6, [sp, #.Lcolumns]
        str     r3, [sp, #.Lsource_end]
2:      @ quad
        .rept   4
        stage_channel \width
        .endr
        ldr     r3, [sp, #.Lsource_end]
        cmp     r0, r3
        bne     2b
        .if     \width == 8             @ of the others there is at most one
        b       1b
        .endif
3:
        .endm

        function gen_core_armv7m_stage
        push    {r4-r11, lr}
        ldm     r0, {r0, r1, r2, r3, r4, r5}
        lsls    r2, r2, #2              @ channels
        mov     lr, r3
        lsl     r12, r5, #2
        sub     sp, #.Lstage_frame
        strd    r0, r2, [sp, #.Lsource]
        strd    r1, r4, [sp, #.Lcolumns]
        stage_block 8, 3
        stage_block 4, 2
        stage_block 2, 1
        stage_block 1, 0
        add     sp, #.Lstage_frame
        pop     {r4-r11, pc}
        end_function gen_core_armv7m_stage

        .noaltmacro
        .text
