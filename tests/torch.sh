#!/usr/bin/env bash
# Compares the training step with PyTorch, and takes a run of PyTorch to a model: on one process and on two.
#
#   ./tests/torch.sh [TRAINER]
#
# TRAINER is the program (default: target/release/trainer). RIBBIT_PYTHON is a Python that has torch, numpy and pillow;
# without it they are installed into an environment of their own, which is removed at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

trainer=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/trainer}")
interop=$PWD/trainer/interop
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Each process has one thread, so that two fit on two cores.
export OMP_NUM_THREADS=1

python=${RIBBIT_PYTHON:-}
if [ -z "$python" ]; then
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install -q --disable-pip-version-check torch==2.15.0 numpy==2.4.6 pillow==13.0.0
    python=$scratch/venv/bin/python
fi
# on N SCRIPT ARGUMENTS...: runs a script on N processes.
on() {
    "$python" -m torch.distributed.run --nproc-per-node "$1" "${@:2}"
}

printf '\n== the same step: every preset, and six recipes with everything that presets do not have\n'
"$trainer" parity --write "$scratch/steps" -q >"$scratch/written"
for recipe in trainer/tests/golden/pytorch/*.toml; do
    "$trainer" parity --write "$scratch/steps" --config "$recipe" -q >>"$scratch/written"
done
mapfile -t steps < <(sed "s|^|$scratch/|; s|^$scratch/$scratch|$scratch|" "$scratch/written")
"$python" "$interop/check_parity.py" --float64 "${steps[@]}"
"$python" "$interop/check_parity.py" "${steps[@]}"
on 2 "$interop/check_parity.py" --float64 "${steps[@]}"
on 2 "$interop/check_parity.py" "${steps[@]}"
rm -r "$scratch/steps"

printf '\n== recipes, latents, pictures, runs\n'
"$python" trainer/tests/interop/test_pytorch_dcgan.py

printf '\n== a run with a teacher on two processes that is killed, continues, and becomes a model\n'
"$trainer" data --data builtin --size 32 --save "$scratch/frogs" --out "$scratch/frogs.png" -q >"$scratch/described"
"$trainer" presets pocket-tiny |
    sed 's/^steps = .*/steps = 120/; s/^every = .*/every = { log = 10, sample = 40, checkpoint = 20 }/' >"$scratch/mine.toml"
run=(--config "$scratch/mine.toml" --teacher models/pocket-tiny-frogs --data "$scratch/frogs" --out "$scratch/run")
"$python" -m torch.distributed.run --nproc-per-node 2 "$interop/train_pytorch.py" "${run[@]}" 2>"$scratch/killed" &
torchrun=$!
until [ -e "$scratch/run/checkpoint.pt" ]; do
    kill -0 $torchrun || { cat "$scratch/killed"; exit 1; }
    sleep 0.2
done
pkill -KILL -P $torchrun
if wait $torchrun; then
    echo "the run was not killed" >&2
    exit 1
fi
on 2 "$interop/train_pytorch.py" "${run[@]}" 2>&1 | tee "$scratch/log"
grep -q "continues at step" "$scratch/log"
[ "$(grep -c '"distance":' "$scratch/run/metrics.jsonl")" -eq 12 ]
"$trainer" import "$scratch/run/generator.safetensors" --config "$scratch/mine.toml" -o "$scratch/model.gen"
"$trainer" verify "$scratch/model.gen" -n 20
"$trainer" sample "$scratch/model.gen" --out "$scratch/sample.png"
[ -s "$scratch/sample.png" ]
printf '\nPyTorch: all checks passed\n'
