// A plugin for QEMU's user mode. Whenever a program writes to standard output, it prints to standard error how many
// instructions have been executed since the last time, and how many of them were vector multiply-adds.
//
// Debian has no package with QEMU's header, so the few functions that are used are declared here. They have been the
// same since QEMU 4.2; QEMU 9.1 and later want a higher `qemu_plugin_version`.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*f)(uint64_t id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*f)(unsigned cpu, void *), int, void *data);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, void (*f)(uint64_t id, unsigned cpu, int64_t number, uint64_t a1,
    uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *);

int qemu_plugin_version = 1;

// Linux's number on aarch64.
enum { WRITE = 64 };

struct counts {
    uint64_t instructions, multiply_adds;
};
static struct counts since_last;

static void executed(unsigned cpu, void *data)
{
    (void)cpu;
    const struct counts *block = data;
    __atomic_fetch_add(&since_last.instructions, block->instructions, __ATOMIC_RELAXED);
    __atomic_fetch_add(&since_last.multiply_adds, block->multiply_adds, __ATOMIC_RELAXED);
}

// QEMU translates a program block by block, and each block once.
static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    struct counts *block = calloc(1, sizeof *block);
    if (!block)
        abort();
    block->instructions = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < block->instructions; i++) {
        char *text = qemu_plugin_insn_disas(qemu_plugin_tb_get_insn(tb, i));
        block->multiply_adds += !strncmp(text, "fmla", 4) || !strncmp(text, "fmls", 4);
        free(text);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void called(uint64_t id, unsigned cpu, int64_t number, uint64_t file, uint64_t a2, uint64_t a3, uint64_t a4,
    uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != WRITE || file != 1)
        return;
    fprintf(stderr, "%llu %llu\n", (unsigned long long)since_last.instructions,
        (unsigned long long)since_last.multiply_adds);
    since_last = (struct counts) { 0 };
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
