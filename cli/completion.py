"""`pwarp completion`: what a shell needs to complete commands, options, choices and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click import shell_completion

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# The shells of click, and the variable in which they ask `pwarp` for completions.
SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_PWARP_COMPLETE"


class _Files(shell_completion.ShellComplete):
    """Where click knows nothing to offer, the shell offers files: most of pwarp's arguments are some."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(args, incomplete)
        return found or [shell_completion.CompletionItem(incomplete, type="file")]


class _Bash(_Files, shell_completion.BashComplete):
    pass


class _Zsh(_Files, shell_completion.ZshComplete):
    pass


class _Fish(_Files, shell_completion.FishComplete):
    pass


def register() -> None:
    """Let pwarp answer with these when a shell asks."""
    for kind in (_Bash, _Zsh, _Fish):
        shell_completion.add_completion_class(kind)


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what SHELL has to read to complete pwarp's commands, options, choices and files.

    \b
    bash, in ~/.bashrc:                    eval "$(pwarp completion bash)"
    zsh, in ~/.zshrc after compinit:       eval "$(pwarp completion zsh)"
    fish, once:                            pwarp completion fish > ~/.config/fish/completions/pwarp.fish

    \b
    Example:
      pwarp completion bash > pwarp-completion.bash
    """
    kind = shell_completion.get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "pwarp", VARIABLE).source())
