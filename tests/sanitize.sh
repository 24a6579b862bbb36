#!/usr/bin/env bash
# Runs the tests of everything that is `unsafe` on the host under the address sanitizer: gen-core's
# kernels in vector instructions, and the trainer's call into the matrix product. (Miri would see
# more, but is not to be had for a pinned stable compiler, and does not know these instructions.)
#
#   ./tests/sanitize.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Sanitizers are for nightly compilers; this has the pinned one accept them.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address"
# A target of its own, or build scripts would be instrumented too.
options=(--target x86_64-unknown-linux-gnu --target-dir target/sanitize)
cargo test "${options[@]}" -p gen-core --lib --tests
cargo test "${options[@]}" -p trainer --lib -- nn::gemm
