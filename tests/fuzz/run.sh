#!/bin/sh
# Fuzzes one reader for some seconds: sh run.sh TARGET SECONDS
set -eu
cd "$(dirname "$0")"
target=$1
seconds=${2:-60}
corpus=corpus/$target
found=artifacts/$target
mkdir -p "$corpus" "$found"

seed() {
    find "$@" -type f -size -64k | while read -r file; do
        cp "$file" "$corpus/$(cksum <"$file" | tr ' ' -)"
    done
}

case $target in
openfoam | ensight)
    # The first byte chooses the file that the rest replaces: see lib.rs.
    i=0
    find "../samples/$target" -mindepth 2 -type f | LC_ALL=C sort | while read -r file; do
        { printf "\\$(printf %03o $i)"; cat "$file"; } >"$corpus/seed-$i"
        i=$((i + 1))
    done
    ;;
xdmf) seed ../samples -name '*.xdmf' -o -name '*.xmf' ;;
numpy) seed seeds/numpy ;;
csv) seed ../bad_inputs -name '*.csv' ;;
model) printf '\000\000\001' >"$corpus/seed" ;;
*) seed ../samples ../data -name "*.$target" ;;
esac

RUSTC_BOOTSTRAP=1 cargo fuzz build --fuzz-dir . --target-dir ../../target/fuzz --sanitizer none "$target"

# In memory where there is one.
home=$(mktemp -d "$(test -d /dev/shm && echo /dev/shm || echo "${TMPDIR:-/tmp}")/kolmo-fuzz.XXXXXX")
trap 'rm -rf "$home"' EXIT INT TERM
cp "../../target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release/$target" "$home"
program=$home/$target
# Goes on after a finding; each is a file in artifacts/. The length: see README.md.
TMPDIR=$home "$program" "$corpus" -artifact_prefix="$found/" -fork=1 -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1 \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -dict=numbers.dict || true
# All inputs that reach something new once more: coverage, speed, highest memory.
TMPDIR=$home KOLMO_FUZZ_PEAK=1 "$program" "$corpus" -runs=0 -max_len=16384 2>&1 | grep -E '^peak|DONE|^#.*INITED' | tail -n 3
ls "$found"
