#!/usr/bin/env bash
# Fetch, for a machine without a network, what benchmarks/gpu/run.sh needs and images for work with
# PyTorch usually lack, in the versions of constraints.txt; into .whl, for Linux on x86-64.
#
#   benchmarks/gpu/wheels.sh [PYTHON-VERSION] [PACKAGE==VERSION …]
#
# Such images have NumPy, SciPy, xarray, pandas, h5py, safetensors, PyYAML, fsspec, cloudpickle,
# toolz, matplotlib, tqdm, pytest and hypothesis. Further packages are these, or peers.
set -e -u -o pipefail
cd "$(dirname "$0")/../.."
version=${1:-3.12}
[ $# -gt 0 ] && shift

needed="pydantic pydantic-core annotated-types typing-inspection netCDF4 cftime dask partd locket
    importlib-metadata zipp POT"
pinned=()
for name in $needed; do
    line=$(grep -i -m1 "^${name//-/[-_]}==" constraints.txt || true)
    [ "$line" ] && pinned+=("$line")
done
platforms=()
for glibc in 2_17 2014 2_24 2_27 2_28 2_31 2_34 2_35; do
    case $glibc in
        2014) platforms+=(--platform "manylinux2014_x86_64") ;;
        *) platforms+=(--platform "manylinux_${glibc}_x86_64") ;;
    esac
done
mkdir -p .whl
"${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: --implementation cp \
    --python-version "$version" "${platforms[@]}" -d .whl "${pinned[@]}" "$@"
du -sh .whl
