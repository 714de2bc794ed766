#!/bin/sh
# Opens reports in headless Chromium: no word on the console, no request beyond the file, every figure drawn.
# Screenshots, light and dark and on paper, go to target/report-shots. Skips, saying so, without Chromium or python3.
#
#   sh tests/report/test.sh [kolmo]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ] || ! command -v python3 >/dev/null; then
    echo "test-report: skipped: needs chromium and python3 (Debian: apt install chromium python3)"
    exit 0
fi
kolmo=${1:-${CARGO_TARGET_DIR:-$root/target}/release/kolmo}
shots=${CARGO_TARGET_DIR:-$root/target}/report-shots
# The folder changes below.
case $kolmo in /*) ;; *) kolmo=$PWD/$kolmo ;; esac
case $shots in /*) ;; *) shots=$PWD/$shots ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$shots"

# The demonstration: against held-out samples, over folds, what the model, the study and the data hold.
"$kolmo" demo --quiet "$work/demo" >/dev/null
cd "$work/demo"
"$kolmo" validate supersonic_step.toml --folds 4 --quiet --html folds.html >/dev/null
for file in model.h5 supersonic_step.toml supersonic_step.h5; do
    "$kolmo" info "$file" --html "info_$file.html" >/dev/null
done
# A body in three dimensions and a curve, with names that are markup (made by make.py).
for name in box curve; do
    printf 'name = "%s <b>&"\n[data]\nsamples = "%s"\nholdout = { every = 4 }\n[reduction]\ntolerance = 1e-3\n' \
        $name "$here/$name.h5" >$name.toml
    "$kolmo" fit $name.toml -o $name.h5 --quiet >/dev/null
    "$kolmo" validate $name.h5 --data $name.toml --quiet --html $name.html >/dev/null
done
"$kolmo" info box.h5 --html info_box.html >/dev/null

python3 "$here/check.py" "$browser" "$shots" report.html=15 folds.html=15 info_model.h5.html=4 \
    info_supersonic_step.toml.html=2 info_supersonic_step.h5.html=2 box.html=19 curve.html=11 info_box.html=4
