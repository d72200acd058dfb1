#!/usr/bin/env bash
# The quick tests on the wheel in dist/, as a user has it: in a new environment of PYTHON, which goes afterwards, and without
# Node.js.    scripts/test_installed.sh PYTHON [OPTION OF PIP ...]
set -euo pipefail
cd "$(dirname "$0")/.."

python=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wheel=$(ls dist/saewidgets-*.whl)

echo "== $("$python" --version), $(basename "$wheel") $*"
"$python" -m venv "$folder/venv"
bin=$folder/venv/bin
"$bin/python" -m pip install --quiet --progress-bar off "$wheel[demo,explain,map,ray,search]" playwright pytest pytest-xdist "$@"
"$bin/python" -m pip check
"$bin/python" scripts/try_demo.py "$bin"
OMP_NUM_THREADS=1 "$bin/python" -m pytest -n 2 --dist=loadfile --quick -p no:cacheprovider tests/unit
