#!/usr/bin/env bash
# Fuzzes every parser of external data, guided by coverage and under the address sanitizer. Prints what was run. A
# finding stops its target and is kept in tests/fuzz/artifacts/; the exit code is then not 0.
#
#   ./tests/fuzz.sh [SECONDS] [TARGET...]      600 seconds each, all targets
#   JOBS=2 ./tests/fuzz.sh                     two targets at a time
#
# After the fix, move a finding to tests/fuzz/seeds/TARGET/, where CI runs it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-600}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(ls tests/fuzz/seeds)
fi
for target in "${targets[@]}"; do
    [ -d "tests/fuzz/seeds/$target" ] || { echo "there is no target $target" >&2 && exit 2; }
done
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

# Sanitizers need a nightly compiler; this makes the pinned compiler accept them.
export RUSTC_BOOTSTRAP=1
fuzz() { cargo fuzz "$1" --fuzz-dir tests/fuzz "${@:2}"; }
fuzz build

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
one() {
    local target=$1 status=passed
    mkdir -p "tests/fuzz/corpus/$target"
    # Limits for each input: 25 seconds, 2 GB of memory, and 16 KB, which is enough for a few of each element.
    fuzz run "$target" "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 \
        >"$logs/$target" 2>&1 || status=FAILED
    grep -q 'SUMMARY:' "$logs/$target" && status=FOUND
    # The last lines of libFuzzer: number of runs, and number of edges reached.
    printf '%-12s %-7s %12s runs %7s edges\n' "$target" "$status" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target")" \
        "$(grep -o 'cov: [0-9]*' "$logs/$target" | tail -1 | cut -c6-)"
    [ "$status" = passed ] || { tail -60 "$logs/$target" && return 1; }
}
export -f one fuzz
export logs seconds
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-1}" -I{} bash -c 'one {}'
