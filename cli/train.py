"""`pwarp train`: networks from labelled videos."""

from __future__ import annotations

from typing import Any

import click

from pwarp import registry

from .asked import refuse_if_asked, weaker
from .numbers import Real, Whole
from .paths import Read
from .train_options import (
    Dilations,
    Network,
    clip_options,
    data_options,
    deconvs_option,
    recipe_options,
    run_options,
    window_options,
    with_options,
)


@click.group()
def train() -> None:
    """Train networks on labelled videos: estimators of single frames, and models that look at several.

    \b
    Example:
      pwarp train estimator clips/*/truth.json -o runs/r18 --val 0.1
      pwarp train posewarper clips/*/keys.json -o runs/warp --backbone runs/r18/best.safetensors --val 0.1
      pwarp train ppn clips/*/truth.json -o runs/ppn --val 0.1
    """


@train.command()
@with_options(
    data_options("estimator"),
    [
        click.option("--backbone", type=click.Choice(registry.names("backbone")), help="The network."),
        deconvs_option,
        click.option(
            "--init", type=Read(), metavar="FILE", help="Checkpoint to begin with, or 'imagenet' for the trunk."
        ),
    ],
    recipe_options,
    run_options,
)
def estimator(**options: Any) -> None:
    """Train a frame-wise estimator: a crop in, a heatmap a keypoint out.

    DATA are label files, folders of label files and roots of data sets, one or many. --val sets videos apart, never
    frames of a video. The folder of the run gets best.safetensors (by validation, PCK at 0.1), last.safetensors,
    curve.jsonl, and tb for TensorBoard. The same data, options and seed give the same network. From a checkpoint of
    other keypoints (MPII's, COCO's) --init takes all but the last layer, and of that the channels that both know. Crop
    size and heatmaps are then the checkpoint's unless given.

    \b
    Recipes: small (two CPU cores: ResNet-18, 128x128, 2000 steps), paper and released (HRNet-W48, 288x384).

    \b
    Examples:
      pwarp train estimator labels/ --videos videos/ -o runs/r18 --val 0.1
      pwarp train estimator Penn_Action/ --split train --val-split test -o runs/penn --steps 10000
      pwarp train estimator train.json -o runs/tuned --init runs/r18/best.safetensors --lr 1e-4 --steps 500
      torchrun --nproc-per-node 4 --no-python pwarp train estimator posetrack/ -o runs/w48 --recipe paper
    """
    _train("estimator", options)


@train.command()
@with_options(
    data_options("posewarper"),
    window_options,
    [
        click.option("--delta", type=Whole(0), metavar="N", help="Most frames from the labelled one."),
        click.option("--cycle", type=Real(0), metavar="W", help="Weight of the loss there and back."),
        click.option("--channels", type=Whole(1), metavar="N", help="Of the warping's residual blocks."),
        click.option("--blocks", type=Whole(1), metavar="N", help="How many residual blocks."),
    ],
    recipe_options,
    run_options,
)
def posewarper(channels: int | None, blocks: int | None, **options: Any) -> None:
    """Train PoseWarper: warp what an estimator sees in a nearby frame to the labelled frame.

    The nearby frame needs no label, so one labelled frame in a video is enough. DATA, --val and the folder of the run
    are as in 'pwarp train estimator --help'. Crop size and heatmaps are the estimator's unless given.

    \b
    Recipes: small (two CPU cores), paper (as the text says), released (as the published code does).

    \b
    Examples:
      pwarp train posewarper labels/ --videos videos/ -o runs/warp --backbone runs/r18/best.safetensors --val 0.1
      pwarp train posewarper labels/ --videos videos/ -o runs/cycle --init runs/warp/best.safetensors --cycle 1
    """
    _train("posewarper", options, ("delta", "cycle"), channels=channels, blocks=blocks)


@train.command()
@with_options(
    data_options("dcpose"),
    window_options,
    [
        click.option(
            "--form",
            type=click.Choice(("as_published", "as_paper")),
            help="The released model, or the text.  [default: as_published; as_paper in the recipe paper]",
        ),
        click.option(
            "--interval", type=Whole(1, 100), metavar="T", help="Most frames to a neighbour; the paper has 1 to 4."
        ),
        click.option("--channels", type=Whole(1), metavar="N", help="That offsets and masks come from."),
        click.option("--dilations", type=Dilations(), metavar="N,N...", help="Of the correction, such as 3,6,9,12,15."),
        click.option(
            "--merger",
            type=click.Choice(("network", "sum", "current")),
            help="The temporal merger, or what replaces it.",
        ),
        click.option("--no-fusion", is_flag=True, help="Without the residual fusion."),
        click.option(
            "--neighbours", type=click.Choice(("both", "previous", "next")), help="Frames beside the current one."
        ),
    ],
    recipe_options,
    run_options,
)
def dcpose(
    form: str | None,
    interval: int | None,
    channels: int | None,
    dilations: tuple[int, ...] | None,
    merger: str | None,
    no_fusion: bool,
    neighbours: str | None,
    **options: Any,
) -> None:
    """Train DCPose: heatmaps of a frame from what an estimator sees in it, the one before and the one after.

    The neighbours need no labels. DATA, --val and the folder of the run are as in 'pwarp train estimator --help'. Crop
    size and heatmaps are the estimator's unless given. --form, --interval, --dilations, --merger, --no-fusion and
    --neighbours are what the paper compares.

    \b
    Recipes: small (two CPU cores), paper (as the text says), released (as the published code does).

    \b
    Examples:
      pwarp train dcpose labels/ --videos videos/ -o runs/dcpose --backbone runs/r18/best.safetensors --val 0.1
      pwarp train dcpose labels/ --videos videos/ -o runs/far --backbone runs/r18/best.safetensors --interval 3
    """
    _train(
        "dcpose",
        options,
        form=form,
        interval=interval,
        channels=channels,
        dilations=dilations,
        merger=merger,
        fusion=False if no_fusion else None,
        neighbours=neighbours,
    )


@train.command()
@with_options(
    data_options("glpose"),
    window_options,
    [
        click.option("-k", "--local", type=Whole(0, 50), metavar="K", help="Frames on each side; 0 for none."),
        click.option("-n", "--proposals", type=Whole(0), metavar="N", help="Non-local crops used; 0 for none."),
        click.option("--sampled", type=Whole(1), metavar="N", help="Non-local crops to choose from."),
        click.option("--channels", type=Whole(1), metavar="N", help="Of the mixture.  [default: as features]"),
        click.option("--no-enhancement", is_flag=True, help="Take the mixture as it is."),
        click.option("--head", "layer", type=click.Choice(("mlp", "3x3", "5x5")), help="The last layer."),
    ],
    recipe_options,
    run_options,
)
def glpose(
    local: int | None,
    proposals: int | None,
    sampled: int | None,
    channels: int | None,
    no_enhancement: bool,
    layer: str | None,
    **options: Any,
) -> None:
    """Train GLPose: a frame's features, those of the frames around it, and those of crops in the video that look alike.

    The non-local crops are drawn from all labelled poses of the video, anybody's; the frames around need no labels.
    DATA, --val and the folder of the run are as in 'pwarp train estimator --help'. Crop size and heatmaps are the
    estimator's unless given. -k, -n, --no-enhancement and --head are what the paper compares. The enhancement begins
    by passing the mixture on, in every recipe: begun at random as in the paper it cost more than it brought.

    \b
    Recipes: small (two CPU cores), paper (HRNet-W48, 288x384, 8 local and 6 of 20 non-local crops).

    \b
    Examples:
      pwarp train glpose labels/ --videos videos/ -o runs/glpose --backbone runs/r18/best.safetensors --val 0.1
      pwarp train glpose labels/ --videos videos/ -o runs/local --backbone runs/r18/best.safetensors -k 2 -n 0
    """
    if proposals == 0 and sampled is not None:
        refuse_if_asked("sampled", "--sampled chooses the crops of --proposals, and those are 0: leave it out")
        sampled = None
    _train(
        "glpose",
        options,
        reach=local,
        proposals=proposals,
        sampled=sampled,
        channels=channels,
        enhancement=False if no_enhancement else None,
        head=layer,
    )


@train.command()
@with_options(
    data_options("ppn"),
    [
        click.option("--head", type=Network(), metavar="FILE|NAME", help="HeadNet: an estimator, or a network's name."),
        click.option("--body", "backbone", type=Network(), metavar="FILE|NAME", help="BodyNet, likewise."),
    ],
    clip_options(1),
    [
        click.option("--no-skip", is_flag=True, help="Do not add BodyNet's heatmaps to the propagated ones."),
        click.option("--path", type=click.Choice(("frame", "first")), help="Propagate from each frame, or the first."),
        click.option("--channels", type=Whole(1), metavar="N", help="Of the propagation's residual blocks."),
        click.option("--blocks", type=Whole(1), metavar="N", help="How many residual blocks."),
    ],
    recipe_options,
    run_options,
)
def ppn(no_skip: bool, path: str | None, channels: int | None, blocks: int | None, **options: Any) -> None:
    """Train PPN, end to end: HeadNet sees a person's first frame, BodyNet every frame, and poses are carried along.

    Samples are clips of consecutive frames, of which any may be labelled. The paper pretrains both networks on MPII:
    train two estimators on it and name them with --head and --body, whose keypoints need not be the labels'. In the
    recipe small these learn at a tenth of the rate. Poses begin as three tenths of the one before and seven of
    BodyNet's, in every recipe; the paper does not say how. DATA, --val and the folder of the run are as in 'pwarp train
    estimator --help'.

    \b
    Recipes: small (two CPU cores), paper (PPN-Stable: HRNet-W48 and ResNet-18-DUC at 256x256; PPN-Swift with
    --body duc-mobilenet).

    \b
    Examples:
      pwarp train ppn labels/ --videos videos/ -o runs/ppn --val 0.1
      pwarp train ppn labels/ --videos videos/ -o runs/pair --head runs/r18/best.safetensors --body duc-mobilenet
    """
    skip = False if no_skip else None
    _train("ppn", options, ("frames",), skip=skip, path=path, channels=channels, blocks=blocks)


@train.command()
@with_options(
    data_options("dkd"),
    [
        click.option(
            "--initial", "head", type=Network(), metavar="FILE|NAME", help="Pose initialiser: an estimator, or a name."
        ),
        click.option("--encoder", "backbone", type=Network(), metavar="FILE|NAME", help="Frame encoder, likewise."),
    ],
    clip_options(2),
    [
        click.option(
            "--adversary", type=click.Choice(("temporal", "spatial", "none")), help="What it is trained against."
        ),
        click.option(
            "--distillator",
            type=click.Choice(("kernels", "lstm", "none")),
            help="What carries poses to the next frame.",
        ),
        click.option("--kernel", type=Whole(1, 31), metavar="S", help="Side of the pose kernels, odd."),
        click.option("--channels", type=Whole(1), metavar="C", help="How many pose kernels."),
    ],
    recipe_options,
    run_options,
)
def dkd(
    adversary: str | None, distillator: str | None, kernel: int | None, channels: int | None, **options: Any
) -> None:
    """Train DKD: kernels distilled from one frame find the person in the next one.

    It is trained against a discriminator of how poses change from frame to frame; the curve has its balance, λ. Samples
    are clips of consecutive frames, of which any may be labelled. The paper pretrains both networks on MPII: train two
    estimators on it, simple-* with --deconvs 2, and name them with --initial and --encoder, whose keypoints need not be
    the labels'; in the recipe small these learn at a tenth of the rate. The last layer of a trained encoder becomes a
    part of the kernels' matching, in every recipe; the paper draws that at random. DATA, --val and the folder of the
    run are as in 'pwarp train estimator --help'. --adversary and --distillator are what the paper compares.

    \b
    Recipes: small (two CPU cores), paper (ResNet-101 and ResNet-50 with two deconvolutions, 256x256, RMSprop).

    \b
    Examples:
      pwarp train dkd labels/ --videos videos/ -o runs/dkd --val 0.1
      pwarp train dkd labels/ --videos videos/ -o runs/alone --initial runs/r18/best.safetensors --adversary none
    """
    if distillator in ("lstm", "none"):
        for name in ("kernel", "channels"):
            refuse_if_asked(name, "--kernel and --channels are of --distillator kernels: leave them out")
        kernel = channels = None
    _train("dkd", options, ("frames",), adversary=adversary, transfer=distillator, kernel=kernel, channels=channels)


def _train(kind: str, options: dict[str, Any], recipe: tuple[str, ...] = (), **model: Any) -> None:
    """recipe: names of the command's options that are values of its recipe. model: options of the model."""
    from .train_run import run

    changes = {name: options[name] for name in recipe}
    if "train_backbone" in options:
        if options["train_backbone"] and options["moving_statistics"]:
            why = "--moving-statistics is of a frozen backbone, which --train-backbone has not"
            options[weaker("train_backbone", "moving_statistics", why)] = False
        changes["frozen"] = False if options["train_backbone"] else None
        changes["moving_statistics"] = options["moving_statistics"] or None
    run(kind, options, changes, model)
