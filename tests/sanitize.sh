#!/usr/bin/env bash
# Runs the tests of all `unsafe` code on the host under the address sanitizer: gen-core's kernels with vector
# instructions, and the trainer's call of the matrix product. (Miri would find more, but is not available for a pinned
# stable compiler and does not support these instructions.)
#
#   ./tests/sanitize.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Sanitizers need a nightly compiler; this makes the pinned compiler accept them.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address"
# An explicit target, because otherwise build scripts would be instrumented too.
options=(--target x86_64-unknown-linux-gnu --target-dir target/sanitize)
cargo test "${options[@]}" -p gen-core --lib --tests
cargo test "${options[@]}" -p trainer --lib -- nn::gemm
