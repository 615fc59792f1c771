#!/bin/sh
# Labels to CVAT and back, then propagated into a file that CVAT can edit.
#
#   sh examples/cvat_round_trip.sh [folder]        (pwarp on the PATH; the folder is cvat-out if left out)
set -eu

out=${1:-cvat-out}
mkdir -p "$out"

step() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# A person walks; keys.json has every 10th of 20 frames and the last.
step pwarp synth -o "$out" --frames 20 --every 10 --people 1 --size 128x96 --still --force

# Into CVAT: make a task of video.mp4 with the labels of <meta> in this file (Labels, Raw), then Upload annotations,
# format "CVAT 1.1". Correct there what you like.
step pwarp convert "$out/keys.json" "$out/keys.xml" --video "$out/video.mp4" --force

# Out of CVAT: Export task dataset, format "CVAT for video 1.1", annotations.xml. Here the file stands in that went in.
step pwarp info "$out/video.mp4" --check "$out/keys.xml"
step pwarp convert "$out/keys.xml" "$out/back.json" --video "$out/video.mp4" --report "$out/loss.json" --force

# Labels for every frame, as the fewest key frames whose lines stay within 2 pixels of them: still editable.
step pwarp propagate "$out/video.mp4" "$out/keys.xml" -o "$out/dense.xml" --tolerance 2 --force
