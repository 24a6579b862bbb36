#!/usr/bin/env bash
# Installs everything that the checks need, and runs all checks, on a fresh Linux machine with rustup.
# Continues after a failure. The last line is "N passed, N failed"; the exit code is 0 only if nothing failed.
#
#   ./tests/run.sh [--with-torch]
#
# --with-torch also runs what needs large packages of Python, in environments of their own: the training step compared with
# PyTorch's (some GB), and the cards of the models read by huggingface_hub.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

case "${1:-}" in
    "" | --with-torch) with=${1:-} ;;
    *)
        echo "usage: ./tests/run.sh [--with-torch]" >&2
        exit 2
        ;;
esac

PATH=${HOME:-/root}/.cargo/bin:$PATH # where rustup installs cargo, in case no shell profile was read

passed=0
failed=0
failures=()
log=$(mktemp)
scratch=$(mktemp -d)
trap 'rm -rf "$log" "$scratch"' EXIT

# step NAME COMMAND...: runs a command and counts it as one check.
step() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    if "$@" </dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures+=("$name")
    fi
}

# tests NAME COMMAND...: runs `cargo test` and counts its test cases. If it fails without a
# failed case (for example, because it does not build), that counts as one failure.
tests() {
    local name=$1 status good bad
    shift
    printf '\n== %s\n' "$name"
    "$@" </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    good=$(sed -n 's/^test result: .* \([0-9]\+\) passed;.*/\1/p' "$log" | paste -sd+ | sum_or_zero)
    bad=$(sed -n 's/^test result: .* \([0-9]\+\) failed;.*/\1/p' "$log" | paste -sd+ | sum_or_zero)
    while read -r case; do
        failures+=("$name: $case")
    done < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        failures+=("$name")
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
}

# The sum of a line such as 1+2+3.
sum_or_zero() {
    local sum
    read -r sum
    echo $((${sum:-0}))
}

# install_packages PACKAGE...: with apt; fails where there is none.
install_packages() {
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    command -v apt-get >/dev/null &&
        "${root[@]}" apt-get update -q &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

install_qemu() {
    command -v qemu-system-arm >/dev/null && command -v qemu-system-riscv32 >/dev/null && return
    if command -v apt-get >/dev/null; then
        install_packages qemu-system-arm qemu-system-misc
    else
        echo "install qemu-system-arm and qemu-system-riscv32, then run this again:" >&2
        echo "    Fedora: sudo dnf install qemu-system-arm-core qemu-system-riscv-core" >&2
        echo "    Arch:   sudo pacman -S qemu-system-arm qemu-system-riscv" >&2
        return 1
    fi
}

# A C compiler for this machine and one for the chips, and make, for the programs in C.
install_c() {
    local missing=()
    command -v cc >/dev/null && command -v c++ >/dev/null || missing+=(g++)
    command -v make >/dev/null || missing+=(make)
    command -v arm-none-eabi-g++ >/dev/null || missing+=(gcc-arm-none-eabi)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}" || {
        echo "install ${missing[*]}, then run this again" >&2
        return 1
    }
}

# Chromium and Node.js, for the page.
install_chromium() {
    local missing=()
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
        [ -n "${CHROMIUM:-}" ] || missing+=(chromium)
    command -v node >/dev/null || missing+=(nodejs)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}" || {
        echo "install ${missing[*]}, then run this again" >&2
        return 1
    }
}

# Trains for a few steps and reads the event file with TensorBoard, in an environment of its own.
tensorboard_events() {
    python3 -m venv "$scratch/tensorboard" || {
        install_packages python3-venv && python3 -m venv --clear "$scratch/tensorboard" || return 1
    }
    "$scratch/tensorboard/bin/pip" install -q --disable-pip-version-check tensorboard==2.21.0 &&
        "$trainer" -q --data builtin --steps 6 --set every.sample=3 --set every.log=2 --set every.measure=3 \
            --set quantize.tune=0 --set "penalty={ real = 1.0, every = 2 }" --tensorboard --out "$scratch/events" &&
        "$scratch/tensorboard/bin/python" tests/tensorboard/read.py "$scratch/events/001-pocket"
}

# The folders of the models, read with the parser of the Hugging Face Hub.
model_cards() {
    python3 -m venv "$scratch/cards" &&
        "$scratch/cards/bin/pip" install -q --disable-pip-version-check huggingface_hub==2.4.0 safetensors==0.8.0 numpy &&
        "$scratch/cards/bin/python" trainer/interop/check_card.py models/*/
}

# The emulator of the Raspberry Pi Pico: one package from npm, in the version of its lock file.
install_rp2040js() {
    local missing=()
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}" || {
        echo "install ${missing[*]}, then run this again" >&2
        return 1
    }
    npm ci --prefix firmware/tools/rp2040 --ignore-scripts --no-audit --no-fund
}

# The test of the kernels, in WebAssembly.
wasm_kernels() {
    ./web/build.sh --conformance "$scratch/conformance.wasm" && node tests/web/conformance.mjs "$scratch/conformance.wasm"
}

# gen-core for every Cortex-M and RISC-V target of the toolchain, with and without defmt.
gen_core_for() {
    cargo build -q -p gen-core --target "$1" && cargo build -q -p gen-core --target "$1" --features defmt
}

# The trainer for an operating system that is not this one: checked, not linked, so its C compiler is not needed.
trainer_for() {
    rustup -q target add "$1" && env "CC_$1=$PWD/tests/no-cc.sh" "AR_$1=ar" cargo check -q -p trainer --target "$1"
}

# gen-core with the compiler of its `rust-version`, on a host and for a Cortex-M.
gen_core_msrv() {
    local version target=thumbv7em-none-eabihf folder=${CARGO_TARGET_DIR:-target}/msrv
    version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' gen-core/Cargo.toml)
    rustup -q toolchain install --profile minimal --target "$target" "$version" &&
        cargo "+$version" check -q -p gen-core --target-dir "$folder" &&
        cargo "+$version" check -q -p gen-core --target-dir "$folder" --target "$target" \
            --features alloc,defmt,embedded-graphics,writer
}

# The value of a key in a board.toml.
fact() {
    sed -n "s/^$2 = \"\(.*\)\".*/\1/p" "$1/board.toml"
}

# Builds the program for a hardware board, in the folder of its package.
board_clippy() {
    (cd "$1" && cargo clippy -q --release "${@:2}" -- -D warnings)
}

# Checks programs for an emulated board: the board's folder, more features, arguments for cargo.
emulated_clippy() {
    local target
    target=$(fact "$1" target)
    (cd firmware/emulated &&
        cargo clippy -q --release --target "$target" --features "$(basename "$1")$2" "${@:3}" -- -D warnings)
}

# Checks licences, sources and build scripts with more rules than the tests, and advisories if the database can be
# downloaded.
cargo_deny() {
    cargo deny check bans licenses sources &&
        { cargo deny fetch db || { echo "left out: advisories, the database cannot be had" && return 0; } } &&
        cargo deny --offline check advisories
}

# Uses the program that the tests have just built, which also checks for overflows. A release build would take some
# minutes more.
trainer=${CARGO_TARGET_DIR:-target}/debug/trainer

# Trains for a few steps on real pictures, and inspects and verifies the resulting model.
train() {
    "$trainer" --data ../shared/cifar10-frogs/train --steps 20 --out "$scratch" &&
        "$trainer" inspect "$scratch/001-pocket/model.gen" &&
        "$trainer" verify "$scratch/001-pocket/model.gen"
}

step "install toolchain and targets" rustup toolchain install
step "install QEMU" install_qemu
step "install C compilers" install_c
step "install Chromium and Node.js" install_chromium
step "install the emulator of the Pico" install_rp2040js
step "format" cargo fmt --all --check
# With the window of the preview, which nothing else builds (checking it needs no SDL), and gen-core's program.
step "clippy" cargo clippy -q --workspace --all-targets --features firmware-tools/window,gen-core/pictures -- -D warnings
for board in firmware/emulated/boards/*/; do
    step "clippy, $(basename "$board")" emulated_clippy "$board" ,conformance --bins
done
# The programs that may have their model in external memory; one board is enough.
step "clippy, external model" emulated_clippy firmware/emulated/boards/mps2-an500/ ,external-model \
    --bin qemu-parity --bin qemu-count-instructions
for board in firmware/boards/*/; do
    step "clippy, $(basename "$board")" board_clippy "$board"
    if grep -q '^\[features\]' "$board/Cargo.toml"; then
        step "clippy, $(basename "$board") with all features" board_clippy "$board" --all-features
    fi
done
step "clippy, WebAssembly" cargo clippy -q -p web-player --target wasm32-unknown-unknown --features conformance -- -D warnings
step "format of firmware/template" cargo fmt --check --manifest-path firmware/template/Cargo.toml
for target in thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabihf thumbv8m.main-none-eabihf \
    riscv32imc-unknown-none-elf riscv32imac-unknown-none-elf; do
    step "gen-core for $target" gen_core_for "$target"
done
step "trainer for Windows" trainer_for x86_64-pc-windows-gnu
step "trainer for macOS" trainer_for aarch64-apple-darwin
step "gen-core without DSP instructions" cargo build -q -p gen-core --target thumbv8m.main-none-eabihf --features no-dsp
step "gen-core for a Cortex-M55" cargo build -q -p gen-core --target thumbv8m.main-none-eabihf --features mve
for target in thumbv6m-none-eabi thumbv7em-none-eabihf; do
    step "clippy, gen-core for C, $target" cargo clippy -q -p gen-core-c --target "$target" -- -D warnings
done
step "gen-core with the oldest compiler that it promises" gen_core_msrv
step "gen-core as it would be published" cargo publish -q --dry-run --allow-dirty -p gen-core
step "documentation of gen-core" env RUSTDOCFLAGS="-D warnings" cargo doc -q -p gen-core --no-deps
if command -v cargo-deny >/dev/null; then
    step "supply chain" cargo_deny
else
    printf '\n== supply chain: the tests check it; cargo deny, which checks more, is not installed\n'
fi
rm -f "$trainer" # an old program must not be used if the new one does not build
tests "tests" cargo test --workspace --no-fail-fast
# Tests the plain Rust kernels, because the feature `portable` has priority: see gen-core/src/choice.rs.
tests "tests of gen-core with all features" cargo test -p gen-core --all-features --no-fail-fast
# Byte for byte; says how to build it again.
step "web/player.wasm is what its source makes" ./web/build.sh --check
step "kernels in WebAssembly" wasm_kernels
step "event files in TensorBoard" tensorboard_events
step "the page in Chromium" node tests/web/page.mjs
if [ -d ../shared/cifar10-frogs/train ]; then
    step "train, inspect, verify" train
    step "the page of the run in Chromium" node tests/web/page.mjs "$scratch/001-pocket"
    step "quality of the shipped models" "$trainer" eval models/pocket*/model.gen -n 500 \
        --data ../shared/cifar10-frogs/train
else
    printf '\n== train: left out, there is no ../shared/cifar10-frogs/train\n'
fi
if [ "$with" = --with-torch ]; then
    step "PyTorch: the same step, and a run of its own" ./tests/torch.sh "$trainer"
    step "model cards, with the Hub's parser" model_cards
else
    printf '\n== PyTorch and the Hub: left out, --with-torch runs them\n'
fi
if [ -d ../shared/golden ]; then
    step "parity with Keras, full set" "$trainer" parity ../shared/golden
else
    printf '\n== parity with Keras, full set: left out, there is no ../shared/golden\n'
fi

if [ "$failed" -gt 0 ]; then
    printf '\nfailed:\n'
    printf '    %s\n' "${failures[@]}"
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
