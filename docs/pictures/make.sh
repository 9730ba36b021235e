#!/usr/bin/env bash
# Makes the pictures of the README, in a few minutes: a model is trained on the built-in data and set beside listeners that
# the simulation draws again. Needs Chromium for the head of the report.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=docs/pictures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
abr_film() { cargo run --release --quiet --locked -- "$@"; }

abr_film train --config configs/quickstart.json --out "$work/quickstart"
abr_film eval --model "$work/quickstart" --out "$work/eval" >"$work/eval.txt"
cp "$work/eval/pictures/latency.svg" "$out/"

# listeners with normal hearing that nobody trained on, and generated ones under the same conditions
mkdir "$work/simulated"
for level in 20 40 60 80; do
    fixed="{\"level_db\": $level, \"rate_hz\": 21, \"residual_noise_nv\": 10, \"conductive_loss_db\": 0, \"cochlear_loss_db\": 0}"
    abr_film data synth --set data.seed=2 --set data.synth.subjects=100 --set data.synth.rows_per_subject=1 \
        --set "data.synth.fixed=$fixed" --out "$work/simulated/$level.csv"
done
abr_film generate --model "$work/quickstart" -n 100 --static level_db=20:80:4 --static rate_hz=21 \
    --static residual_noise_nv=10 --static conductive_loss_db=0 --static cochlear_loss_db=0 --out "$work/generated.csv"
abr_film plot "100 simulated listeners=$work/simulated" "100 generated ones=$work/generated.csv" --pool --no-repeats \
    --width 480 --out "$out/four_levels.svg"

chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1000,940 --screenshot="$out/report.png" \
    "file://$work/quickstart/report.html" 2>/dev/null
