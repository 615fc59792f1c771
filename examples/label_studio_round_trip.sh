#!/bin/sh
# Labels to Label Studio and back, then propagated into a file that Label Studio can edit.
#
#   sh examples/label_studio_round_trip.sh [folder]        (pwarp on the PATH; the folder is label-studio-out if left out)
set -eu

out=${1:-label-studio-out}
mkdir -p "$out"

step() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# A person walks; keys.json has every 10th of 20 frames and the last.
step pwarp synth -o "$out" --frames 20 --every 10 --people 1 --size 128x96 --still --force

# Into Label Studio: a project with this configuration (framerate is the video's, LABEL the skeleton's name), then
# Import. Its skeletons need a version that has VideoVectorLabels.
#   <View><Video name="video" value="$video" framerate="30"/>
#   <VideoVectorLabels name="pose" toName="video" skeleton="true"><Label value="LABEL"/></VideoVectorLabels>
#   <VideoRectangle name="box" toName="video"/></View>
step pwarp convert "$out/keys.json" "$out/task.json" --to label-studio --video "$out/video.mp4" --force

# Out of Label Studio: Export, JSON. Here the file stands in that went in. Skeletons that were drawn there get names from
# a file of vertex ids beside the export: {"id of a vertex": "left_wrist", ...} as task.vertices.json.
step pwarp info "$out/video.mp4" --check "$out/task.json"
step pwarp convert "$out/task.json" "$out/back.json" --video "$out/video.mp4" --report "$out/loss.json" --force

# Labels for every frame, as the fewest key frames whose lines stay within 2 pixels of them: still editable.
step pwarp propagate "$out/video.mp4" "$out/task.json" -o "$out/dense.json" --format label-studio --tolerance 2 --force
