"""The help of every command, found by walking the command tree, so that no command is forgotten."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner, Result

from services.cli import app
from services.cli.commands import SHORT_NAMES
from services.cli.examples import examples_in
from services.cli.failures import EXIT_CODES, ExitCode
from services.cli.times import DAY_BEGINS, DAY_INCLUDED
from tests.cli.running import PERENNIAL, Running

ROOT: Any = typer.main.get_command(app)
SHELL_ENDS = {"|", "<", ">"}
ALWAYS_JSON = {"perennial log keys", "perennial log prove"}
"""Commands that print only a JSON document need no option for it."""


def leaves(command: Any, name: str = "perennial") -> Iterator[tuple[str, Any]]:
    """Yield every command that is not a group, with its full name."""
    if not hasattr(command, "list_commands"):
        yield name, command
        return
    for word in command.list_commands(None):
        yield from leaves(command.get_command(None, word), f"{name} {word}")


LEAVES = dict(leaves(ROOT))


def run(*words: str, **environment: str) -> Result:
    """Run the command line in this process; it opens no connection."""
    return CliRunner().invoke(app, words, prog_name="perennial", env=environment)


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_command_can_be_called_without_its_noun(name: str) -> None:
    short, whole = ROOT.get_command(None, name), LEAVES[f"perennial {SHORT_NAMES[name]} {name}"]
    assert (short.name, short.help) == (whole.name, whole.help)
    assert [parameter.opts for parameter in short.params] == [parameter.opts for parameter in whole.params]
    assert f"perennial {name} [OPTIONS]" in " ".join(run(name, "--help").stdout.split())


def test_every_command_that_operates_the_system_is_a_noun_and_a_verb() -> None:
    assert {name for name in LEAVES if len(name.split()) == 2} == {"perennial demo", "perennial up"}


def test_there_are_commands_to_walk_over() -> None:
    """Otherwise the parametrized tests of this file would pass without testing anything."""
    assert len(LEAVES) > 30


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_has_help_and_examples_that_parse(name: str) -> None:
    command = LEAVES[name]
    assert command.help.strip()
    lines = examples_in(command.epilog or "")
    assert lines
    for line in lines:
        assert parsed(line) == name


def parsed(line: str) -> str:
    """Return the full name of the command in a line; the command line itself parses all its options."""
    words = shlex.split(line)
    positions = [words.index(end) for end in SHELL_ENDS if end in words]
    command, name, rest = ROOT, words[0], words[1 : min(positions, default=len(words))]
    while True:
        context = command.make_context(name, list(rest), parent=None)
        if not hasattr(command, "list_commands"):
            return name
        word, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        name = f"{name} {word}"


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_can_print_json_and_explains_each_option(name: str) -> None:
    options = {option for parameter in LEAVES[name].params for option in parameter.opts}
    assert ("--json" in options) is (name not in ALWAYS_JSON)
    assert [parameter.name for parameter in LEAVES[name].params if not (parameter.help or "").strip()] == []


TAKES_A_DAY = {
    "--since": DAY_BEGINS,
    "--at": DAY_BEGINS,
    "--until": DAY_INCLUDED,
    "--activate-by": DAY_INCLUDED,
}


def test_every_option_that_takes_a_day_says_what_it_means() -> None:
    silent = [
        (name, option)
        for name, command in LEAVES.items()
        for parameter in command.params
        for option in parameter.opts
        if option in TAKES_A_DAY and not parameter.help.endswith(TAKES_A_DAY[option])
    ]
    assert silent == []


def test_the_help_of_the_program_documents_every_exit_code() -> None:
    help_text = " ".join(run("--help").stdout.split())
    assert EXIT_CODES in help_text
    assert [f"{code:d} " in EXIT_CODES for code in ExitCode] == [True] * len(ExitCode)


def test_a_usage_error_exits_with_2_and_prints_only_to_stderr() -> None:
    for words in (
        ["code", "issue"],
        ["nonsense"],
        ["code", "show", "--nonsense"],
        ["parked", "list", "--service", "x"],
    ):
        outcome = run(*words)
        assert (outcome.exit_code, outcome.stdout) == (ExitCode.USAGE, ""), words
        assert outcome.stderr


def test_an_invalid_port_is_a_usage_error_of_one_line() -> None:
    outcome = run("code", "show", "0" * 32, PERENNIAL_DEVICE_PORT="http")
    assert outcome.exit_code == ExitCode.USAGE
    assert outcome.stderr == "perennial: PERENNIAL_DEVICE_PORT is not a port number: use a number from 0 to 65535\n"


def test_a_reason_is_explained_offline() -> None:
    """R-19."""
    outcome = run("reason", "show", "throttled")
    assert outcome.exit_code == ExitCode.DONE
    assert "throttled" in outcome.stdout
    assert run("reason", "show", "unheard_of").exit_code == ExitCode.REFUSED


def test_colors_are_only_for_terminals_and_no_color_turns_them_off() -> None:
    surroundings = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1"}
    with Running(PERENNIAL, "reason", "list", "--about", "notices", environment=surroundings, terminal=True) as shown:
        assert shown.exit_code() == ExitCode.DONE
    assert "seats_exhausted" in shown.output
    assert "\x1b[" not in shown.output
    assert "\x1b[" not in run("reason", "list").stdout


# --- completion ---------------------------------------------------------------------------------

TYPED = {
    "projection rebuild license": "license_view",
    "parked list --reason position": "position_gap",
    "code issue --kind sub": "subscription",
}
"""What was typed before the Tab key, and the only completion that bash must offer."""

PRESS_TAB = """
eval "$(perennial --show-completion bash)"
press() {
    COMP_WORDS=(perennial "$@") COMP_CWORD=$#
    $(complete -p perennial | sed -E 's/.*-F ([^ ]+).*/\\1/') perennial "${COMP_WORDS[COMP_CWORD]}"
    echo "${COMPREPLY[*]}"
}
"""


def test_bash_completes_commands_options_and_names() -> None:
    presses = "\n".join(f"press {typed}" for typed in TYPED)
    # the script runs the program by the name that people type
    path = f"{Path(PERENNIAL).parent}:{os.environ['PATH']}"
    outcome = subprocess.run(
        ["/bin/bash", "--norc", "-c", PRESS_TAB + presses],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert dict(zip(TYPED, outcome.stdout.splitlines(), strict=True)) == TYPED


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_completion_script(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # otherwise typer detects the current shell, and a test may run without one
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    script = run("--show-completion", shell)
    assert script.exit_code == 0
    assert "_PERENNIAL_COMPLETE" in script.stdout
