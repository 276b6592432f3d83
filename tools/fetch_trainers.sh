#!/bin/sh
# Make .cache/trainers/NAME, an environment for each trainer whose own code the tests run: tools/trainers/NAME.txt is what is in it.
#
# They are no extras of ours: they pin what conflicts with ours and with each other, and take some 3 GB. Running it again makes
# what is not there yet; a trainer whose packages cannot be had is named in a line, and its test is skipped.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
where=$root/.cache/trainers
mkdir -p "$where"

for pins in "$root"/tools/trainers/*.txt; do
    name=$(basename "$pins" .txt)
    target=$where/$name
    if [ -e "$target/made" ]; then
        echo "fetch_trainers: already there: $target"
        continue
    fi
    rm -rf "$target"
    "${PYTHON:-python3}" -m venv "$target"
    if "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --requirement "$pins"; then
        case $name in
        # PyTorch and transformers are those of .cache/trl, of which one copy is enough
        verl) echo "$root/.cache/trl/lib/python3.11/site-packages" >"$target/lib/python3.11/site-packages/torch.pth" ;;
        esac
        touch "$target/made"
        echo "fetch_trainers: made $target"
    else
        rm -rf "$target"
        echo "fetch_trainers: skipped: the packages of $pins cannot be installed"
    fi
done
