// The example on a Cortex-M without any other library: vector table, variables, floating-point unit, and output to the
// debugger or emulator (semihosting). The exit code of the emulator is that of `main`.
#include "../board.h"

#include <stdint.h>

extern uint32_t stack_top[], data_start[], data_end[], data_source[], bss_start[], bss_end[];
int main(void);

// Operations of semihosting.
enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_EXIT_EXTENDED = 0x20 };

static uintptr_t semihosting(uintptr_t operation, const void *parameters) {
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(uintptr_t code) {
    const uintptr_t parameters[2] = {0x20026 /* the application ends */, code};
    semihosting(SYS_EXIT_EXTENDED, parameters);
    for (;;) {
    }
}

int board_write(const void *bytes, size_t count) {
    static uintptr_t output;
    if (output == 0) {
        const uintptr_t parameters[3] = {(uintptr_t)":tt", 4 /* to write */, 3 /* bytes of the name */};
        output = semihosting(SYS_OPEN, parameters);
    }
    const uintptr_t parameters[3] = {output, (uintptr_t)bytes, count};
    return semihosting(SYS_WRITE, parameters) == 0 ? 0 : 1; // the bytes that were not written
}

static void fault(void) { leave(2); }

void reset(void) {
    uint32_t *from = data_source;
    for (uint32_t *to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; // CPACR: the floating-point unit
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    leave((uintptr_t)main());
}

// The stack, reset, and the faults.
typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler handlers[15];
} vectors = {stack_top, {reset, fault, fault, fault, fault, fault}};
