"""A group of verbs that are loaded when they are asked for, and not before.

A verb is named in a table as ``name -> (module, one line of help)``; the
module has the verb's command under the name ``command``. ``--help`` of the
group prints the table and loads nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """A click group over a table of verbs.

    ``elsewhere`` says what verbs are called here that others have, as a command.
    """

    def __init__(
        self,
        name: str,
        verbs: Mapping[str, tuple[str, str]],
        help: str,
        elsewhere: Mapping[str, str] = {},
    ) -> None:
        super().__init__(name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.verbs = verbs
        self.elsewhere = elsewhere
        self.params.append(_version_option(name))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        module = importlib.import_module(self.verbs[cmd_name][0])
        command = module.command
        assert isinstance(command, click.Command)
        _say_help(command.get_help_option(ctx))
        return command

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _say_help(super().get_help_option(ctx))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.verbs and not name.startswith("-"):
            import difflib

            meant = self.elsewhere.get(name)
            if meant is None:
                meant = next(iter(difflib.get_close_matches(name, self.verbs, n=1)), None)
            hint = "" if meant is None else f"; did you mean `{meant}`?"
            raise click.UsageError(f"no such verb `{name}`{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in self.verbs.items()])


def _say_help(option: click.Option | None) -> click.Option | None:
    """Let help be printed as all results are: click's own printing knows nothing of a full disk."""

    def show(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from flowmetal.cli.output import say

            say(ctx.get_help())
            ctx.exit()

    if option is not None:
        option.callback = show
    return option


def _version_option(name: str) -> click.Option:
    """Return ``--version``, which says the version and where it runs."""

    def show(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            import platform

            from flowmetal._version import __version__
            from flowmetal.cli.output import say

            say(f"{name} {__version__} (Python {platform.python_version()})")
            ctx.exit()

    return click.Option(
        ["--version", "-V"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=show,
        help="Show the version and exit.",
    )
