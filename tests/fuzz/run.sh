#!/bin/sh
# Fuzzes one reader for some seconds: sh run.sh TARGET SECONDS
set -eu
cd "$(dirname "$0")"
target=$1
seconds=${2:-60}
corpus=corpus/$target
mkdir -p "$corpus"
case $target in
openfoam | ensight)
    # The first byte chooses the file that the rest replaces.
    find ../samples/"$target" -type f -size -200k | sort | while read -r file; do
        printf '\000' | cat - "$file" >"$corpus/$(printf '%s' "$file" | cksum | cut -d' ' -f1)"
    done
    ;;
*) find ../samples -name "*.$target" -size -200k -exec cp -n {} "$corpus" \; ;;
esac
RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . --sanitizer none "$target" "$corpus" -- \
    -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=80 -rss_limit_mb=2048 -max_len=262144
