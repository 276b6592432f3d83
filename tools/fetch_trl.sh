#!/bin/sh
# Make .cache/trl, an environment with TRL, whose trainers the tests load exports with.
#
# It is no extra of ours: it needs torch, and takes some 1.5 GB. Running it again does nothing; where the packages
# cannot be had it says why in one line and exits 0, and the tests that need it are skipped.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.cache/trl

if "$target/bin/python" -c 'import datasets, trl' >/dev/null 2>&1; then
    echo "fetch_trl: already there: $target"
    exit 0
fi
rm -rf "$target"
"${PYTHON:-python3}" -m venv "$target"
if ! "$target/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$root/tools/trl.txt"; then
    rm -rf "$target"
    echo "fetch_trl: skipped: the packages of tools/trl.txt cannot be installed"
    exit 0
fi
echo "fetch_trl: made $target"
