// The file MODEL within the program, at an address that is a multiple of 4.
    .section .rodata.ribbit_model_bytes, "a"
    .global ribbit_model_bytes, ribbit_model_end
    .balign 16
ribbit_model_bytes:
    .incbin MODEL
ribbit_model_end:

    .section .note.GNU-stack, "", %progbits
