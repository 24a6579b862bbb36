#!/usr/bin/env bash
# Counts the instructions of a training step on an emulated aarch64 with NEON.
#
#     trainer/benches/neon/count.sh [ARGUMENT OF trainer bench ...]      for example: --preset pocket --batch 2
#
# Needs on Debian: apt-get install qemu-user gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
# and once: rustup target add aarch64-unknown-linux-gnu
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

target=aarch64-unknown-linux-gnu
folder=${CARGO_TARGET_DIR:-target}/$target/release
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
cargo build -q -p trainer --release --target "$target"
plugin=$(realpath "$folder")/instructions.so
gcc -O2 -Wall -Wextra -Werror -shared -fPIC trainer/benches/neon/instructions.c -o "$plugin"

# The worker writes "ready" after a first step, then the time of the step that it is asked for, then a summary.
[ $# -gt 0 ] || set -- --preset pocket
echo | qemu-aarch64 -L /usr/aarch64-linux-gnu -plugin "$plugin" "$folder/trainer" bench -q --paired --threads 1 "$@" \
    2>&1 >/dev/null | awk '
    NF == 2 && $1 $2 ~ /^[0-9]+$/ { answers++; if (answers == 2) { all = $1; products = $2 } next }
    { print > "/dev/stderr" }
    END {
        if (answers != 3) exit 1
        printf "instructions: %.3f G\nvector multiply-adds among them: %.3f G, %.0f %%\n", all / 1e9, products / 1e9,
            100 * products / all
        printf "GFLOP of these: %.1f, each with four multiplications and four additions\n", 8 * products / 1e9
    }'
