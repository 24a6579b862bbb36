#!/usr/bin/env bash
# Builds web/player.wasm, the WebAssembly module of the page, with the pinned toolchain.
#
#   ./web/build.sh              writes web/player.wasm, which is committed
#   ./web/build.sh --check      compares it with the committed file, byte for byte
#   ./web/build.sh --conformance FILE     a module with the test of the kernels, for tests/web/conformance.mjs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=wasm32-unknown-unknown
folder=${CARGO_TARGET_DIR:-target}
# Panics do not name lines of the source, so that a comment in gen-core changes no byte here. The compiler has this only as
# an unstable option; with the variable the pinned compiler accepts it.
export RUSTC_BOOTSTRAP=1
# Folders of this machine are replaced, so that the bytes are the same on every machine.
flags=(
    "-Ctarget-feature=+simd128"
    "-Zlocation-detail=none"
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
    "--remap-path-prefix=$(rustc --print sysroot)=rust"
    "--remap-path-prefix=$PWD="
)
encoded=$(printf '\x1f%s' "${flags[@]}")
build() {
    CARGO_ENCODED_RUSTFLAGS=${encoded#?} cargo rustc -q --locked -p web-player --lib --crate-type cdylib \
        --target "$target" --profile player "$@"
}
built=$folder/$target/player/web_player.wasm

case ${1:-} in
'')
    build
    cp "$built" web/player.wasm
    ;;
--check)
    build
    cmp "$built" web/player.wasm || {
        echo "web/player.wasm is not what its source makes: run ./web/build.sh and commit the file" >&2
        exit 1
    }
    ;;
--conformance)
    build --features conformance
    cp "$built" "$2"
    ;;
*)
    sed -n '2,6s/^# \?//p' "$0" >&2
    exit 2
    ;;
esac
