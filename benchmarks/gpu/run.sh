#!/usr/bin/env bash
# Tests, throughput and a model at its published size on a GPU, in at most six minutes, and a page.
#
#   benchmarks/gpu/run.sh [--device cuda] [--folder benchmarks/results/gpu] [--smallest]
#
# Needs PyTorch for the GPU's driver and this project's dependencies, which wheels.sh fetches into
# .whl where the machine has no network of its own. Every part has a limit of its own and leaves
# what it has measured, so that one that fails takes nothing from the others. $PYTHON runs them.
# The status is that of the tests.
set -u -o pipefail
cd "$(dirname "$0")/../.."

device=cuda folder=${OUT:-benchmarks/results/gpu} smallest=
arguments="$*"
while [ $# -gt 0 ]; do
    case $1 in
        --device) device=$2 && shift 2 ;;
        --folder) folder=$2 && shift 2 ;;
        --smallest) smallest=--smallest && shift ;;
        *) echo "unknown argument: $1" >&2 && exit 2 ;;
    esac
done
python=${PYTHON:-python3}
mkdir -p "$folder"

if compgen -G ".whl/*.whl" > /dev/null; then
    site=$(mktemp -d)
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir \
        --target "$site" .whl/*.whl || exit 1
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 FSDIFF_TEST_DEVICE=$device

part() { # its name, the seconds after which it is stopped, and what to run
    local name=$1 limit=$2
    shift 2
    local start=$SECONDS
    timeout --kill-after=5 "$limit" "$python" "$@" 2>&1 | tee "$folder/$name.log" | tail -n 25
    local status=${PIPESTATUS[0]}
    echo "$name: status $status after $((SECONDS - start)) s"
    return "$status"
}

tests=(tests/unit/gpu tests/unit/pde)
[ "$smallest" ] && tests=(tests/unit/gpu -k "half_precision or noise")
part throughput 125 benchmarks/gpu/throughput.py --device "$device" --folder "$folder" \
    --seconds 110 $smallest
part model 125 benchmarks/gpu/model.py --device "$device" --folder "$folder" \
    --seconds 110 $smallest
part tests 100 -m pytest -m gpu -q -p no:cacheprovider --junitxml="$folder/tests.xml" "${tests[@]}"
status=$?
"$python" benchmarks/gpu/page.py "$folder" --arguments "$arguments" || exit 1
exit "$status"
