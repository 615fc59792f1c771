"""The `pwarp` command: a table of subcommands, loaded when used, and the one place where errors end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from glob import iglob
from importlib import import_module
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pwarp import __version__
from pwarp.errors import PwarpError, UsageError
from pwarp.files import sparing

from .paths import Read
from .process import ended_by, prepare, said_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name: (module:function, one line of help). The help stands here so that `pwarp --help` imports no command.
COMMANDS: dict[str, tuple[str, str]] = {
    "propagate": ("propagate:propagate", "Labels for every frame from a few labelled ones."),
    "run": ("run:run", "Propagate through many videos, and go on where a run was left."),
    "augment": ("augment:augment", "Training labels from manual and propagated ones."),
    "detect": ("detect:detect", "Boxes around the people in a video."),
    "track": ("track:track", "Who is who, for detections and labels without track ids."),
    "estimate": ("estimate:estimate", "Poses in the boxes of a video, by a checkpoint or an ONNX network."),
    "weights": ("weights:weights", "Published weights: list, fetch, turn into checkpoints."),
    "export": ("export:export", "A trained network as ONNX."),
    "models": ("models:models", "The networks there are: paper, frames, parameters, GFLOPs, weights."),
    "refine": ("refine:refine", "Poses refined by a model that looks at neighbouring frames, too."),
    "view": ("view:view", "Draw labels over a video, or on a contact sheet."),
    "review": ("review:review", "A web page to look through labels and correct them."),
    "train": ("train:train", "Train networks on labelled videos."),
    "study": ("study:study", "How far propagation can be trusted, measured on hidden key frames."),
    "suggest": ("suggest:suggest", "Which frames to label next."),
    "check": ("check:check", "What looks wrong in labels: swaps, jumps, duplicates and more."),
    "eval": ("eval:evaluate", "Measure predictions against the truth."),
    "info": ("info:info", "What a video or a label file holds."),
    "convert": ("convert:convert", "Turn one label format into another, and say what was lost."),
    "synth": ("synth:synth", "Render moving people with exact truth."),
    "completion": ("completion:completion", "What a shell needs to complete pwarp's commands and options."),
}

_CONFIG = "pwarp.config"  # where the context keeps the file of --config, which is read, too


class _Commands(click.Group):
    """A group that imports a subcommand only when it is called or its help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, function = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(f".{module}", __package__), function)
        return command

    def invoke(self, ctx: click.Context) -> object:
        # click would write an empty line of its own for an interruption, also into logs.
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None
        except PwarpError as error:
            from .advice import better_said

            command, convert = (self.get_command(ctx, name) for name in (ctx.invoked_subcommand or "", "convert"))
            why = better_said(error, command, convert) if command and convert else None
            if why is None:
                raise
            raise (UsageError if isinstance(error, UsageError) else PwarpError)(why) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # click would import every command for the first line of its help.
        from click.shell_completion import CompletionItem

        names = [CompletionItem(n, help=text) for n, (_, text) in COMMANDS.items() if n.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _configured(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Let a file say what options are where the command line does not."""
    if path is not None and not ctx.resilient_parsing:
        from .config import read_config

        assert isinstance(ctx.command, click.Group)
        ctx.meta[_CONFIG] = path
        ctx.default_map = read_config(path, ctx.command, ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pwarp")
@click.option(
    "--config",
    type=Read(Path),
    metavar="FILE.toml",
    expose_value=False,
    callback=_configured,
    help='Options of the commands, a table each ([propagate] engine = "flow"); the command line wins.',
)
def main() -> None:
    """Label a few frames of a video, get labels for every frame.

    '-' is stdin where a video or labels are read, and stdout where one file is written; all else goes to stderr.

    \b
    Example:
      pwarp propagate video.mp4 labels.json -o dense.json
      pwarp view video.mp4 dense.json -o overlay.mp4
      pwarp --config project.toml propagate video.mp4 labels.json -o dense.json

    \b
    Exit codes:
      0    done
      1    something is wrong with the data; one line says what, where and how to mend it
      2    wrong usage
      130  interrupted by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP
    """


def _inputs() -> Iterator[Path]:
    """The files and folders that the command at work reads."""
    context = click.get_current_context(silent=True)
    if context is not None and _CONFIG in context.meta:
        yield from _files_at(str(context.meta[_CONFIG]))
    for parameter in () if context is None else context.command.params:
        if context is None or not isinstance(parameter.type, Read):
            continue
        given = context.params.get(str(parameter.name))
        for value in given if isinstance(given, tuple) else (given,):
            if isinstance(value, str | Path):
                yield from _files_at(str(value).removeprefix("onnx:"))


def _files_at(place: str) -> Iterator[Path]:
    """What lies at a place: a file, a folder and the pictures in it, or the pictures that a pattern means."""
    # Not `Path.exists`, which fails where a text is too long for a name, nor `Path.glob`, which begins in a folder.
    found = [place] if os.path.exists(place) else iglob(place)  # noqa: PTH110, PTH207
    for path in map(Path, found):
        yield path
        if path.is_dir():
            yield from (file for file in path.iterdir() if (guess_type(file)[0] or "").startswith("image/"))


def _let_go_of_output() -> None:
    """Keep Python from complaining once more, at its end, of an output that cannot be written."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run() -> None:
    """Entry point. Exit codes: 0 done, 1 something is wrong with the data, 2 wrong usage, 128 + the signal if ended."""
    prepare()
    try:
        if "_PWARP_COMPLETE" in os.environ:
            from .completion import register

            register()
        with sparing(_inputs):
            code = main.main(prog_name="pwarp", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        # A terminal shows ^C where the cursor was.
        click.echo("\npwarp: interrupted" if sys.stderr.isatty() else "pwarp: interrupted", err=True)
        code = 128 + ended_by()
    except PwarpError as error:
        click.echo(f"pwarp: {error}", err=True)
        code = 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        # The reader of our output went away (`pwarp ... | head`): end quietly, and keep Python from complaining.
        sys.stdout = None
        code = 1
    except OSError as error:
        # Of standard output, or where nobody who knew more has caught it.
        click.echo(f"pwarp: {said_of(error)}", err=True)
        _let_go_of_output()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
