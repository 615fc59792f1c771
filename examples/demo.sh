#!/bin/sh
# The whole of pwarp on one page: render a clip whose truth is known, label every 15th frame of it, propagate these
# labels to all 120 frames, look at the result, and measure it against simpler ways.
#
#   sh examples/demo.sh [folder]        (pwarp on the PATH; the folder is demo-out if left out)
set -eu

out=${1:-demo-out}
mkdir -p "$out"

step() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# Two people walk past each other. keys.json has every 15th frame and the last, truth.json has all of them.
step pwarp synth -o "$out" --motion walk --every 15 --force

# The point of it all: labels for every frame, and each keypoint says how sure it is.
step pwarp propagate "$out/video.mp4" "$out/keys.json" -o "$out/dense.json" --force
step pwarp view "$out/video.mp4" "$out/dense.json" -o "$out/overlay.mp4" --force
step pwarp view "$out/video.mp4" "$out/dense.json" -o "$out/sheet.png" --force
step pwarp view "$out/video.mp4" "$out/dense.json" -o "$out/doubts.png" --worst --frames 6 --force

# The same key frames, filled in by simpler ways, and how many keypoints each puts within 0.1 torso lengths.
cp "$out/dense.json" "$out/auto.json"
for engine in flow pchip linear copy; do
    step pwarp propagate "$out/video.mp4" "$out/keys.json" -o "$out/$engine.json" --engine "$engine" --force
done
(
    cd "$out"
    step pwarp eval auto.json flow.json pchip.json linear.json copy.json truth.json --metric pck --alpha 0.1
)

printf '\nLook at %s in a browser, and at %s and %s.\n' "$out/overlay.mp4" "$out/sheet.png" "$out/doubts.png"
