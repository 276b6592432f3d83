#!/bin/sh
# Make .cache/wordnet/corpora/wordnet, the WordNet 3.0 database in the layout NLTK's reader wants.
#
# Only tests and two tools need it: `tests/metrics` compares our METEOR with NLTK's on it,
# `tools/build_wordnet_table.py` builds the table in the wheel from it. The source is Debian's
# `wordnet-base` and `wordnet-sense-index`, unpacked without root and installed nowhere. Running it again does
# nothing; where the packages cannot be had it says why in one line and exits 0, and the live tests are skipped.
#
# WORDNET_DEBS=DIR takes the two .deb files from DIR instead of asking apt.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$root/.cache/wordnet/corpora/wordnet

give_up() {
    echo "fetch_wordnet: skipped: $1"
    exit 0
}

if [ -e "$target/lexnames" ]; then
    echo "fetch_wordnet: already there: $target"
    exit 0
fi
command -v dpkg >/dev/null 2>&1 || give_up "dpkg is not installed (not a Debian system)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if [ -n "${WORDNET_DEBS:-}" ]; then
    cp "$WORDNET_DEBS"/wordnet-base_*.deb "$WORDNET_DEBS"/wordnet-sense-index_*.deb "$work" 2>/dev/null ||
        give_up "the two wordnet .deb files are not in $WORDNET_DEBS"
else
    command -v apt-get >/dev/null 2>&1 || give_up "apt-get is not installed"
    # The sandbox user of apt may not write into a private directory; its warning about that is noise.
    download() { (cd "$work" && apt-get -q download wordnet-base wordnet-sense-index) >/dev/null 2>&1; }
    # A new machine has no package lists yet; only root may fetch them.
    download || { apt-get -q update >/dev/null 2>&1 && download; } ||
        give_up "apt-get cannot download wordnet-base and wordnet-sense-index (try 'apt-get update' as root)"
fi
for deb in "$work"/*.deb; do
    dpkg -x "$deb" "$work/root" || give_up "$deb cannot be unpacked"
done

mkdir -p "$target.new"
cp "$work"/root/usr/share/wordnet/* "$target.new"
cp "$work/root/usr/share/doc/wordnet-base/copyright" "$target.new"

# Debian leaves out `lexnames`, which NLTK reads: number, lexicographer file, part of speech (see lexnames(5WN)).
number=0
for file in \
    adj.all:3 adj.pert:3 adv.all:4 noun.Tops:1 noun.act:1 noun.animal:1 noun.artifact:1 noun.attribute:1 \
    noun.body:1 noun.cognition:1 noun.communication:1 noun.event:1 noun.feeling:1 noun.food:1 noun.group:1 \
    noun.location:1 noun.motive:1 noun.object:1 noun.person:1 noun.phenomenon:1 noun.plant:1 \
    noun.possession:1 noun.process:1 noun.quantity:1 noun.relation:1 noun.shape:1 noun.state:1 \
    noun.substance:1 noun.time:1 verb.body:2 verb.change:2 verb.cognition:2 verb.communication:2 \
    verb.competition:2 verb.consumption:2 verb.contact:2 verb.creation:2 verb.emotion:2 verb.motion:2 \
    verb.perception:2 verb.possession:2 verb.social:2 verb.stative:2 verb.weather:2 adj.ppl:3; do
    printf '%02d\t%s\t%s\n' "$number" "${file%:*}" "${file#*:}"
    number=$((number + 1))
done >"$target.new/lexnames"

# The rename comes last: a directory under the final name is always a complete one.
rm -rf "$target"
mv "$target.new" "$target"
echo "fetch_wordnet: made $target"
