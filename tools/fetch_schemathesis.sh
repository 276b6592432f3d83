#!/bin/sh
# Make .cache/schemathesis, an environment with Schemathesis, which tests/service/test_openapi.py runs against the service.
#
# It is not in the dev extra: it wants an older jsonschema-rs than the service, and brings a plugin into every run of pytest.
# Running it again does nothing; where the packages cannot be had it says why in one line and exits 0, and that test is skipped.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.cache/schemathesis

if "$target/bin/st" --version >/dev/null 2>&1; then
    echo "fetch_schemathesis: already there: $target"
    exit 0
fi
rm -rf "$target"
"${PYTHON:-python3}" -m venv "$target"
if ! "$target/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$root/tools/schemathesis.txt"; then
    rm -rf "$target"
    echo "fetch_schemathesis: skipped: the packages of tools/schemathesis.txt cannot be installed"
    exit 0
fi
echo "fetch_schemathesis: made $target"
