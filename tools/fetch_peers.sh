#!/bin/sh
# Make .cache/peers, an environment with the projects that benchmarks/peers.py measures beside ours.
#
# They are no extra of ours: what they pin conflicts with what we test with. Running it again does nothing; where the packages
# cannot be had it says why in one line and exits 0, and the benchmark goes without them.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.cache/peers

if "$target/bin/python" -c 'import autoevals, inspect_ai' >/dev/null 2>&1; then
    echo "fetch_peers: already there: $target"
    exit 0
fi
rm -rf "$target"
"${PYTHON:-python3}" -m venv "$target"
if ! "$target/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$root/tools/peers.txt"; then
    rm -rf "$target"
    echo "fetch_peers: skipped: the packages of tools/peers.txt cannot be installed"
    exit 0
fi
echo "fetch_peers: made $target"
