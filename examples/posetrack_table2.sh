#!/bin/sh
# Table 2 of PoseWarper (Bertasius et al., NeurIPS 2019): HRNet-W48 on PoseTrack, frame by frame and with heatmaps of
# five frames warped and averaged. For a machine with GPUs, and a day or two.
#
#   sh examples/posetrack_table2.sh POSETRACK COCO OUT
#
# POSETRACK: root of PoseTrack 2017 or 2018, pictures and annotations. COCO: HRNet-W48's own COCO weights as their
# authors publish them (pwarp weights show hrnet-w48-coco-384x288). OUT: folder for everything; run it again after an
# interruption. In the environment: GPUS (1), DETECTOR (auto, see pwarp detect), RECIPE (released), and for a first try
# on a small machine BACKBONE, a checkpoint to begin with in place of COCO's, and TRAIN, more options of pwarp train.
set -eu

root=${1:?the root of PoseTrack} coco=${2:?the COCO weights of HRNet-W48} out=${3:?a folder for the results}
recipe=${RECIPE:-released}
# Where the versions of PoseTrack have their annotations; better to know now than after the training.
for labels in "$root" "$root"/posetrack_data; do
    set -- "$labels"/annotations/val/*.json
    [ -e "$1" ] && break
done
[ -e "$1" ] || { echo "$root: no annotations/val/*.json, nor in posetrack_data; give the root of PoseTrack" >&2; exit 1; }
annotations=$(dirname "$1")
mkdir -p "$out/boxes" "$out/frame-wise" "$out/aggregated"

step() {
    printf '\n$ %s\n' "$*" >&2
    "$@"
}

# A run that is complete is left alone, one that was interrupted goes on.
train() {
    kind=$1 folder=$2
    shift 2
    [ -e "$folder/done" ] && return
    [ -d "$folder" ] && set -- "$@" --resume
    set -- pwarp train "$kind" "$root" --split train --val-split val -o "$folder" --recipe "$recipe" ${TRAIN:-} "$@"
    [ "${GPUS:-1}" -gt 1 ] && set -- torchrun --nproc-per-node "$GPUS" --no-python "$@"
    step "$@"
    touch "$folder/done"
}

start=${BACKBONE:-$out/coco.safetensors}
[ -e "$start" ] || step pwarp weights convert "$coco" --as hrnet-w48-coco-384x288 -o "$start"
train estimator "$out/hrnet" --init "$start"
train posewarper "$out/warp" --backbone "$out/hrnet/best.safetensors"

# Both look into the boxes of one detector, who are then one and the same people, and neither into a mirror.
for labels in "$annotations"/*.json; do
    name=$(basename "$labels")
    pictures=$(pwarp info "$labels" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["video"]["path"])')
    [ -e "$root/$pictures" ] || pictures=posetrack_data/$pictures
    boxes=$out/boxes/$name poses=$out/frame-wise/$name refined=$out/aggregated/$name
    [ -e "$boxes" ] || step pwarp detect "$root/$pictures" --detector "${DETECTOR:-auto}" -q -o - |
        pwarp track "$root/$pictures" - -q -o "$boxes"
    [ -e "$poses" ] || step pwarp estimate "$root/$pictures" "$boxes" --model "$out/hrnet/best.safetensors" \
        -q -o "$poses"
    [ -e "$refined" ] || step pwarp refine "$root/$pictures" "$poses" --weights "$out/warp/best.safetensors" \
        -q -o "$refined"
done

step pwarp eval "$out/frame-wise" "$out/aggregated" "$root" --split val --metric posetrack-ap --bootstrap 1000
