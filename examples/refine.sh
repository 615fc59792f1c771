#!/bin/sh
# From a raw video to refined poses, with networks of your own: render clips to learn from, train an estimator and
# PoseWarper on them, then detect people in a clip that neither has seen, track them, estimate their poses, refine them
# over time, and measure both. All is small, so that it takes about seven minutes on two CPU cores; so are the figures:
# an estimator that begins with nothing learns little in 350 steps. --init imagenet is the first thing to add.
#
#   sh examples/refine.sh [folder]        (pwarp on the PATH; the folder is refine-out if left out)
set -eu

out=${1:-refine-out}
mkdir -p "$out"

step() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# 48 scenes, 10 frames of each, 5 a second: people in many poses and places.
[ -d "$out/clips" ] || step pwarp synth -o "$out/clips" --clips "${CLIPS:-48}" --seed 100 --frames 10 --fps 5 --size 256x192

# What a single frame shows, then how it moves. A tenth of the clips is kept to validate on.
step pwarp train estimator "$out"/clips/*/truth.json -o "$out/estimator" --size 64x96 --steps "${STEPS:-350}" \
    --val 0.1 --val-every 200 --force
step pwarp train posewarper "$out"/clips/*/truth.json -o "$out/warper" --backbone "$out/estimator/best.safetensors" \
    --steps "$((${STEPS:-350} / 2))" --val 0.1 --val-every 100 --force

# A clip that neither network has seen.
[ -d "$out/demo" ] || step pwarp synth -o "$out/demo" --motion walk --frames 60
step pwarp detect "$out/demo/video.mp4" --detector "${DETECTOR:-auto}" -o "$out/boxes.json" --force
step pwarp track "$out/demo/video.mp4" "$out/boxes.json" -o "$out/people.json" --force
step pwarp estimate "$out/demo/video.mp4" "$out/people.json" --model "$out/estimator/best.safetensors" \
    -o "$out/poses.json" --force
step pwarp refine "$out/demo/video.mp4" "$out/poses.json" --model posewarper \
    --weights "$out/warper/best.safetensors" -o "$out/refined.json" --force
step pwarp eval "$out/poses.json" "$out/refined.json" "$out/demo/truth.json" --metric pck,jitter
step pwarp view "$out/demo/video.mp4" "$out/refined.json" -o "$out/overlay.mp4" --force
