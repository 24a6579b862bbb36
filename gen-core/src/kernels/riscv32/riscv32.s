# Kernels for RV32 with the extension M.
#
# Such a core multiplies two 32-bit registers, one half of the product at a time,
# and cannot add in the same instruction. The Toeplitz kernels put two pixels into
# a word and get two products from one MUL.
#
#   toeplitz_K_N    K taps, N output pixels, from words made by pack_K_N
#   dot             one pixel
#   stage           int8 pixels to planes of words
#
# All sums wrap modulo 2^32. All functions follow the calling convention and have
# a section of their own. Biases and multipliers that are not aligned are loaded by
# bytes. The first two take a `RawArgs`:
#
#    0 input         words: [tap row][quad][4 channels][plane]. A plane has one
#                    word (dot) or what pack_K_N makes of it (see there)
#    4 input_end     input + all planes; at least one quad
#    8 filters       int8: [output channel][tap row][quad][tap][4 channels]
#   12 biases        one per output channel, any alignment
#   16 positive      multipliers, any alignment; null: sums are the output
#   20 negative      multipliers of negative sums; may be the same
#   24 zero_point
#   28 output        pixel 0, channel 0: int8, or int32 without multipliers
#   32 step          bytes from pixel to pixel
#   36 channels      at least one

        .option push
        .option arch, +m, +c            # Rust's assembler does not take them from the target

        .macro  function name
        .section .text.\name, "ax", @progbits
        .p2align 2
        .global \name
        .type   \name, @function
\name:
        .endm

        .macro  end_function name
        .size   \name, . - \name
        .endm

# ---------------------------------------------------------------------------
# The stack frame of everything that takes a `RawArgs`
# ---------------------------------------------------------------------------

        .set    .Linput, 0
        .set    .Linput_end, 4
        .set    .Lfilters, 8            # of the next channel
        .set    .Lbiases, 12            # biases still to come
        .set    .Lpositive, 16          # multipliers still to come, or 0: raw
        .set    .Lnegative, 20
        .set    .Lzero_point, 24
        .set    .Loutput, 28            # pixel 0 of the channel
        .set    .Lstep, 32
        .set    .Lchannels, 36          # channels still to come
        .set    .Lchunks, 40            # chunks of a channel (toeplitz)
        .set    .Lsize, 44              # bytes of a channel's filters (toeplitz)
        .set    .Lsums, 64              # of the pixels, up to eight, of two channels
        .set    .Lsaved, 128
        .set    .Lframe, 192

# Saves the registers and copies the `RawArgs` at a0 into the frame.

        .macro  enter
        addi    sp, sp, -.Lframe
        sw      ra, .Lsaved(sp)
        sw      s0, .Lsaved+4(sp)
        sw      s1, .Lsaved+8(sp)
        sw      s2, .Lsaved+12(sp)
        sw      s3, .Lsaved+16(sp)
        sw      s4, .Lsaved+20(sp)
        sw      s5, .Lsaved+24(sp)
        sw      s6, .Lsaved+28(sp)
        sw      s7, .Lsaved+32(sp)
        sw      s8, .Lsaved+36(sp)
        sw      s9, .Lsaved+40(sp)
        sw      s10, .Lsaved+44(sp)
        sw      s11, .Lsaved+48(sp)
        .set    .Li, 0
        .rept   10
        lw      t0, .Li(a0)
        sw      t0, .Li(sp)
        .set    .Li, .Li + 4
        .endr
        .endm

        .macro  leave
        lw      ra, .Lsaved(sp)
        lw      s0, .Lsaved+4(sp)
        lw      s1, .Lsaved+8(sp)
        lw      s2, .Lsaved+12(sp)
        lw      s3, .Lsaved+16(sp)
        lw      s4, .Lsaved+20(sp)
        lw      s5, .Lsaved+24(sp)
        lw      s6, .Lsaved+28(sp)
        lw      s7, .Lsaved+32(sp)
        lw      s8, .Lsaved+36(sp)
        lw      s9, .Lsaved+40(sp)
        lw      s10, .Lsaved+44(sp)
        lw      s11, .Lsaved+48(sp)
        addi    sp, sp, .Lframe
        ret
        .endm

# The word at any address. In a model file all are aligned.

        .macro  load_word to, address, scratch
        andi    \scratch, \address, 3
        bnez    \scratch, 21f
        lw      \to, 0(\address)
        j       22f
21:
        lbu     \to, 0(\address)
        lbu     \scratch, 1(\address)
        slli    \scratch, \scratch, 8
        or      \to, \to, \scratch
        lbu     \scratch, 2(\address)
        slli    \scratch, \scratch, 16
        or      \to, \to, \scratch
        lbu     \scratch, 3(\address)
        slli    \scratch, \scratch, 24
        or      \to, \to, \scratch
22:
        .endm

# The next word of a list in the frame. Destroys a6 and a7.

        .macro  next_word to, list
        lw      a6, \list(sp)
        load_word \to, a6, a7
        addi    a6, a6, 4
        sw      a6, \list(sp)
        .endm

# ---------------------------------------------------------------------------
# finish: the sums of a channel go to the output
# ---------------------------------------------------------------------------
#
# The sums are in the caller's frame from a0 to a1. Destroys t and a registers.
# Returns the number of channels still to come in a0.
#
# Requantisation: the upper word of the 64-bit product, plus bit 31 of the lower
# one, which rounds.
#
#   a0 next sum   a1 end   a2 pixel   a3 step   a4 positive multiplier
#   a5 negative - positive            t0 zero point   t1-t4 scratch

        function gen_core_riscv32_finish
        lw      a2, .Loutput(sp)
        lw      a3, .Lstep(sp)
        lw      t0, .Lpositive(sp)
        bnez    t0, 2f
        addi    t0, a2, 4
        sw      t0, .Loutput(sp)
1:      # unchanged
        lw      t0, 0(a0)
        addi    a0, a0, 4
        sw      t0, 0(a2)
        add     a2, a2, a3
        bne     a0, a1, 1b
        j       5f
2:      # requantised
        addi    t0, a2, 1
        sw      t0, .Loutput(sp)
        next_word a4, .Lpositive
        next_word a5, .Lnegative
        sub     a5, a5, a4
        lw      t0, .Lzero_point(sp)
3:      # pixel
        lw      t1, 0(a0)
        addi    a0, a0, 4
        srai    t2, t1, 31
        and     t2, t2, a5
        add     t2, t2, a4
        mul     t3, t1, t2
        mulh    t1, t1, t2
        srli    t3, t3, 31
        add     t1, t1, t0
        add     t1, t1, t3
        slli    t2, t1, 24
        srai    t2, t2, 24
        beq     t2, t1, 4f
        srai    t1, t1, 31              # out of range: 127, or -128 if it is negative
        xori    t1, t1, 127
4:
        sb      t1, 0(a2)
        add     a2, a2, a3
        bne     a0, a1, 3b
5:
        lw      a0, .Lchannels(sp)
        addi    a0, a0, -1
        sw      a0, .Lchannels(sp)
        ret
        end_function gen_core_riscv32_finish

# ---------------------------------------------------------------------------
# Toeplitz: K taps along a row, N of its output pixels at a time
# ---------------------------------------------------------------------------
#
# A word x of two pixels is l + 2^16 h, where l and h are pixels i and i + N/2 of
# a plane; see `pack`. Times a weight it is a product for output i and one for
# output i + N/2. A chunk is the sum p of the products of two channels c:
#
#   p = w0 x0 + w1 x1 = L + 2^16 H,   -2 128 127 <= L, H <= 2 128 128
#
# Each word has two 32-bit sums in registers: `high` of all H, and `all` of all p.
# They are all that is needed, as `all` - 2^16 `high` is the sum of all L. To take
# H out of p, an offset makes L positive, and takes one from H, which could be 2^15
# otherwise:
#
#   p + 0x7f00 - 2^16 = (L + 0x7f00) + 2^16 (H - 1)
#   0 <= L + 0x7f00 < 2^16,   -2^15 < H - 1 < 2^15
#
# so that an arithmetic shift by 16 gives H - 1 for any weights and pixels. `high`
# starts at the bias plus the number of chunks, and `all` at 2^16 + 1 times the
# bias. What is left at the end is exact modulo 2^32.
#
# Two output channels are computed together, so that a word is loaded once for
# both; the last of an odd number alone. Registers:
#
#   a0 input   a2, a3 filters of both channels   a4, a5 words   a6, a7 scratch
#   t0 offset  t1-t4 weights
#   high s0-s3, all s4-s7 of one channel, high s8-s11, all t5, t6, ra, a1 of the other
#
# Per chunk of two channels and N = 8: 4 weights, and 2 + 2 * 7 for each of four
# words: 68 for 32 products.

        .macro  one_channel w0, w1, all, high
        mul     a6, a4, \w0
        mul     a7, a5, \w1
        add     a6, a6, a7
        add     \all, \all, a6
        add     a6, a6, t0
        srai    a6, a6, 16
        add     \high, \high, a6
        .endm

        .macro  word both, j, all, high, all2, high2
        lw      a4, 4 * (.Lc * .Lplane + .Lt + \j)(a0)
        lw      a5, 4 * (.Lc * .Lplane + .Lplane + .Lt + \j)(a0)
        one_channel t1, t2, \all, \high
        .if     \both
        one_channel t3, t4, \all2, \high2
        .endif
        .endm

        .macro  chunk both, n
        lb      t1, 4 * .Lt + .Lc(a2)
        lb      t2, 4 * .Lt + .Lc + 1(a2)
        .if     \both
        lb      t3, 4 * .Lt + .Lc(a3)
        lb      t4, 4 * .Lt + .Lc + 1(a3)
        .endif
        word    \both, 0, s4, s0, t5, s8
        word    \both, 1, s5, s1, t6, s9
        .if     \n == 8
        word    \both, 2, s6, s2, ra, s10
        word    \both, 3, s7, s3, a1, s11
        .endif
        .endm

        .macro  quad both, k, n
        .set    .Lplane, \n / 2 + \k
        .set    .Lc, 0
        .rept   2
        .set    .Lt, 0
        .rept   \k
        chunk   \both, \n
        .set    .Lt, .Lt + 1
        .endr
        .set    .Lc, .Lc + 2
        .endr
        addi    a0, a0, 16 * .Lplane
        addi    a2, a2, 4 * \k
        .if     \both
        addi    a3, a3, 4 * \k
        .endif
        .endm

# Starts the sums of a channel.

        .macro  start_sums n, high0, high1, high2, high3, all0, all1, all2, all3
        next_word a4, .Lbiases
        slli    a6, a4, 16
        add     \all0, a6, a4
        lw      a5, .Lchunks(sp)
        add     \high0, a4, a5
        mv      \all1, \all0
        mv      \high1, \high0
        .if     \n == 8
        mv      \all2, \all0
        mv      \all3, \all0
        mv      \high2, \high0
        mv      \high3, \high0
        .endif
        .endm

# Two sums to pixels `i` and `i` + N/2 of the frame.

        .macro  take_apart n, at, i, high, all
        sw      \high, .Lsums + \at + 4 * \i + 2 * \n(sp)
        slli    \high, \high, 16
        sub     \all, \all, \high
        sw      \all, .Lsums + \at + 4 * \i(sp)
        .endm

        .macro  toeplitz k, n
        function gen_core_riscv32_toeplitz_\k\()_\n
        enter
        lw      a0, .Linput(sp)
        lw      a1, .Linput_end(sp)
        li      t1, 0
        li      t3, 0
1:      # count the chunks of a quad
        addi    t1, t1, 2 * \k
        addi    t3, t3, 4 * \k
        addi    a0, a0, 16 * (\n / 2 + \k)
        bne     a0, a1, 1b
        sw      t1, .Lchunks(sp)
        sw      t3, .Lsize(sp)
2:      # channels
        li      t0, 0x7f00 - 0x10000
        lw      a0, .Linput(sp)
        lw      a2, .Lfilters(sp)
        start_sums \n, s0, s1, s2, s3, s4, s5, s6, s7
        lw      a4, .Lchannels(sp)
        addi    a4, a4, -1
        beqz    a4, 5f
        start_sums \n, s8, s9, s10, s11, t5, t6, ra, a1
        lw      a3, .Lsize(sp)
        add     a3, a2, a3
3:      # quad
        quad    1, \k, \n
        lw      a4, .Linput_end(sp)
        bne     a0, a4, 4f
        j       6f
4:
        j       3b
6:
        sw      a3, .Lfilters(sp)
        take_apart \n, 0, 0, s0, s4
        take_apart \n, 0, 1, s1, s5
        take_apart \n, 32, 0, s8, t5
        take_apart \n, 32, 1, s9, t6
        .if     \n == 8
        take_apart \n, 0, 2, s2, s6
        take_apart \n, 0, 3, s3, s7
        take_apart \n, 32, 2, s10, ra
        take_apart \n, 32, 3, s11, a1
        .endif
        addi    a0, sp, .Lsums
        addi    a1, a0, 4 * \n
        call    gen_core_riscv32_finish
        addi    a0, sp, .Lsums + 32
        addi    a1, a0, 4 * \n
        call    gen_core_riscv32_finish
        beqz    a0, 7f
        j       2b
5:      # the last of an odd number
        quad    0, \k, \n
        lw      a4, .Linput_end(sp)
        beq     a0, a4, 8f
        j       5b
8:
        take_apart \n, 0, 0, s0, s4
        take_apart \n, 0, 1, s1, s5
        .if     \n == 8
        take_apart \n, 0, 2, s2, s6
        take_apart \n, 0, 3, s3, s7
        .endif
        addi    a0, sp, .Lsums
        addi    a1, a0, 4 * \n
        call    gen_core_riscv32_finish
7:
        leave
        end_function gen_core_riscv32_toeplitz_\k\()_\n
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

# ---------------------------------------------------------------------------
# From planes of words to planes of two pixels a word
# ---------------------------------------------------------------------------
#
# pack_K_N(input, output, planes, bytes per input plane); the output may be the
# input, as no packed plane is longer. An input plane has N + K pixels of one
# channel. A packed plane has N/2 + K words, pixel i plus 2^16 times pixel i + N/2 in
# word i. The second of two phases that share a plane begins at word 1.

        .macro  pack k, n
        function gen_core_riscv32_pack_\k\()_\n
1:      # plane
        .set    .Li, 0
        .rept   \n / 2 + \k
        lw      t0, .Li(a0)
        lw      t1, .Li + 2 * \n(a0)
        slli    t1, t1, 16
        add     t0, t0, t1
        sw      t0, .Li(a1)
        .set    .Li, .Li + 4
        .endr
        add     a0, a0, a3
        addi    a1, a1, .Li
        addi    a2, a2, -1
        bnez    a2, 1b
        ret
        end_function gen_core_riscv32_pack_\k\()_\n
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

# ---------------------------------------------------------------------------
# Dot product: one pixel
# ---------------------------------------------------------------------------
#
# Per quad: 19.

        .macro  dot_one i
        lw      t0, 4 * \i(a0)
        lb      t1, \i(a2)
        mul     t0, t0, t1
        add     s0, s0, t0
        .endm

        function gen_core_riscv32_dot
        enter
        lw      s1, .Linput_end(sp)
        lw      s2, .Linput(sp)
        lw      s3, .Lfilters(sp)
1:      # channel
        next_word s0, .Lbiases
        mv      a0, s2
        mv      a2, s3
2:      # quad
        dot_one 0
        dot_one 1
        dot_one 2
        dot_one 3
        addi    a0, a0, 16
        addi    a2, a2, 4
        bne     a0, s1, 2b
        mv      s3, a2
        sw      s0, .Lsums(sp)
        addi    a0, sp, .Lsums
        addi    a1, a0, 4
        call    gen_core_riscv32_finish
        bnez    a0, 1b
        leave
        end_function gen_core_riscv32_dot

# ---------------------------------------------------------------------------
# Staging: int8 pixels to a plane of words per channel
# ---------------------------------------------------------------------------
#
# Per quad and column: 14.

# The call:  0 source   int8: channel 0 of column 0     4 columns  at least one
#            8 quads    at least one                   12 pixel    bytes
#           16 output   word of channel 0, column 0    20 plane    words

        function gen_core_riscv32_stage
        lw      a1, 0(a0)
        lw      a2, 4(a0)
        lw      a3, 8(a0)
        lw      a4, 12(a0)
        lw      a5, 16(a0)
        lw      a6, 20(a0)
        slli    a6, a6, 2
        slli    a2, a2, 2
1:      # quad
        mv      a0, a1
        mv      t0, a5
        add     t1, t0, a6
        add     t2, t1, a6
        add     t3, t2, a6
        add     t4, t0, a2
        add     a5, t3, a6
        addi    a1, a1, 4
2:      # column
        lb      t5, 0(a0)
        lb      t6, 1(a0)
        sw      t5, 0(t0)
        sw      t6, 0(t1)
        lb      t5, 2(a0)
        lb      t6, 3(a0)
        sw      t5, 0(t2)
        sw      t6, 0(t3)
        add     a0, a0, a4
        addi    t0, t0, 4
        addi    t1, t1, 4
        addi    t2, t2, 4
        addi    t3, t3, 4
        bne     t0, t4, 2b
        addi    a3, a3, -1
        bnez    a3, 1b
        ret
        end_function gen_core_riscv32_stage

        .option pop
        .text
