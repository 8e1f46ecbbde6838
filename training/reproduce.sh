#!/bin/sh
# Trains the four bundled models from nothing and writes them to src/bakeoff/bundled/models/.
# Needs Python 3.11+ with training/requirements.txt installed; PYTHON names it. Two cores, no network, no GPU.
# Usage: training/reproduce.sh [work folder, default build/training]
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
work=${1:-../build/training}
models=../src/bakeoff/bundled/models
tokenizer=$work/tokenizer.json
export OMP_NUM_THREADS=1
export ONEDNN_PRIMITIVE_CACHE_CAPACITY=64 # by default it keeps one program a shape of batch, 12 GB after 650 steps
mkdir -p "$work"

"$python" tokenizer.py "$tokenizer"

# The trunk: everything, with copying exercises that fade out over the first 500 steps.
"$python" train.py "$work/trunk" --tokenizer "$tokenizer" --ranks 2 --steps 1536 --copy-share 0.5 --copy-last 0.06 \
    --copy-steps 500 --save-every 96 --seed 1

# The second stage: more prompt patterns and disturbed wording, so that facts matter and phrases do not.
"$python" train.py "$work/trunk2" --tokenizer "$tokenizer" --init "$work/trunk" --rich --ranks 2 --steps 600 --lr 2.5e-3 \
    --warmup 20 --copy-share 0.05 --copy-last 0.03 --copy-steps 300 --save-every 96 --seed 6

# The specialists side by side, with free sentences in four of ten examples; then the generalist beside the baseline.
fork() { # name, mix, seed, further options
    name=$1 mix=$2 seed=$3
    shift 3
    "$python" train.py "$work/$name" --tokenizer "$tokenizer" --init "$work/trunk2" --rich --mix "$mix" --warmup 20 \
        --save-every 96 --seed "$seed" "$@"
}
fork social social 2 --free 0.4 --steps 3600 --decay 3600 --lr 2.5e-3 &
social=$!
fork technical technical 3 --free 0.4 --steps 3600 --decay 3600 --lr 2.5e-3
wait $social
fork generalist all 4 --steps 700 --decay 700 --lr 2e-3 &
generalist=$!
"$python" train.py "$work/baseline" --tokenizer "$tokenizer" --size small --steps 900 --decay 200 --copy-share 0.3 \
    --copy-last 0.05 --copy-steps 200 --save-every 96 --seed 5
wait $generalist

trunk="trunk: two processes, 1536 steps of 2 x 3,072 tokens on all types, copying exercises at first (seed 1)"
more="trunk, second stage: 600 steps of 2 x 3,072 tokens, more prompt patterns and disturbed wording (seed 6)"
all=linkedin_post,tweet,business_email,technical_doc,marketing_copy
give() { # folder, content types, stages...
    name=$1 types=$2
    shift 2
    for stage in "$@"; do set -- "$@" --stage "$stage"; shift; done
    "$python" export.py "$work/$name" "$tokenizer" "$models/$name" --types "$types" "$@"
}
fall="learning rate falling to zero"
give baseline $all "900 steps of 3,072 tokens on all types, from nothing (seed 5)"
give generalist $all "$trunk" "$more" "700 steps of 3,072 tokens on all types, $fall (seed 4)"
give social linkedin_post,tweet,marketing_copy "$trunk" "$more" \
    "3600 steps of 3,072 tokens on posts, tweets and marketing copy alone, free sentences in four of ten, $fall (seed 2)"
give technical business_email,technical_doc "$trunk" "$more" \
    "3600 steps of 3,072 tokens on documents and e-mail alone, free sentences in four of ten, $fall (seed 3)"

mkdir -p results
for name in trunk trunk2 generalist social technical baseline; do cp "$work/$name/loss.csv" "results/$name-loss.csv"; done
"$python" evaluate.py $models/baseline $models/generalist $models/social $models/technical --number 40 --threads 2 \
    --csv results/held-out.csv --suite ../src/bakeoff/bundled/suites/business.yaml \
    --suite-csv results/business-suite.csv --samples results/samples.txt
"$python" cards.py $models results/held-out.csv results/business-suite.csv --svg results/loss.svg \
    --curves results/trunk-loss.csv results/trunk2-loss.csv results/generalist-loss.csv results/social-loss.csv results/technical-loss.csv results/baseline-loss.csv
