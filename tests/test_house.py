"""The rules of the house that import-linter cannot say: what lies where, and under which name."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]

TOP_LEVEL = {
    ".ci",
    ".dockerignore",
    ".env.example",
    ".gitignore",
    ".python-version",
    "Dockerfile",
    "Makefile",
    "README.md",
    "deploy",
    "docker-compose.yml",
    "docs",
    "findings",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.txt",
    "services",
    "shared",
    "tests",
}

STEPS = {
    "device": {
        "__init__",
        "__main__",
        "api",
        "consumer",
        "decider",
        "explanation",
        "migrations",
        "outbox",
        "outlook",
        "projection",
        "reference",
        "store",
        "timer",
        "window",
    },
    "activation": {
        "__init__",
        "__main__",
        "api",
        "console",
        "consumer",
        "decider",
        "explanation",
        "forecast",
        "migrations",
        "outbox",
        "projection",
        "reference",
        "store",
        "timer",
    },
}
"""The steps of a service, each a file or a folder of that name."""

NOBODYS_ROOMS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "core", "misc"}

PURE = {
    "collections.abc",
    "dataclasses",
    "datetime",
    "functools",
    "hashlib",
    "itertools",
    "re",
    "typing",
    "unicodedata",
    "uuid",
    "dateutil.relativedelta",
    "msgspec",
    "pydantic",
    "pydantic_core",
    "shared.rules.codes",
    "shared.rules.dates",
    "shared.rules.decider",
    "shared.rules.checks",
    "shared.calendar",
    "shared.messages",
    "shared.rules.policy",
    "shared.rules.term",
    "shared.rules.versions",
}
"""All that a rule may import besides its own neighbours: nothing that reads, writes, waits or guesses."""

# written in two halves, because it stands nowhere
BRITISH = "licen" + "ce"


def files() -> list[Path]:
    """Return every file that git tracks, from the house's door; what a user left lying around is not the project's."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "-z"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in sorted(set(listed.stdout.split("\0")) - {""}) if (HOUSE / (path := Path(name))).is_file()]


FILES = files()


def test_the_house_is_there() -> None:
    """The other tests of this file look at nothing without it."""
    assert {"services", "shared", "tests"} <= {path.parts[0] for path in FILES}
    assert len(FILES) > 100


def test_only_the_rooms_of_the_house_open_from_its_door() -> None:
    assert {path.parts[0] for path in FILES} <= TOP_LEVEL


@pytest.mark.parametrize("service", STEPS)
def test_a_service_is_its_steps_and_nothing_else(service: str) -> None:
    inside = {path.parts[2] for path in FILES if path.parts[:2] == ("services", service)}
    assert {Path(name).stem for name in inside} <= STEPS[service]
    assert {"__init__", "__main__", "api", "consumer", "decider", "outbox", "store"} <= {Path(n).stem for n in inside}


def test_a_step_is_a_file_or_a_folder_and_never_both() -> None:
    steps = {path.parts[:3] for path in FILES if path.parts[0] == "services" and len(path.parts) > 2}
    names = [(service, Path(name).stem) for _, service, name in steps]
    assert len(names) == len(set(names))


def test_beside_the_services_stands_only_the_command_line() -> None:
    assert {path.parts[1] for path in FILES if path.parts[0] == "services"} <= {"__init__.py", *STEPS, "cli", "cli.py"}


def test_no_room_is_named_for_nothing() -> None:
    named = [path for path in FILES if NOBODYS_ROOMS & {part.partition(".")[0].lower() for part in path.parts}]
    assert named == []


def test_every_python_file_has_a_room() -> None:
    """A module lies in a package, so that one name means one thing."""
    stray = [
        path
        for path in FILES
        if path.suffix == ".py"
        and path.parts[0] not in {".ci", "deploy", "docs"}
        and not (HOUSE / path).with_name("__init__.py").exists()
    ]
    assert stray == []


def test_american_spelling_everywhere() -> None:
    """House style, 11."""
    found = [path for path in FILES if BRITISH in path.name.lower() or BRITISH in _text(path).lower()]
    assert found == []


def _text(path: Path) -> str:
    try:
        return (HOUSE / path).read_text()
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("service", STEPS)
def test_rules_import_nothing_that_reads_writes_waits_or_guesses(service: str) -> None:
    """R-119."""
    own = f"services.{service}.decider"
    modules = [path for path in FILES if path.parts[:3] == ("services", service, "decider") and path.suffix == ".py"]
    assert modules
    foreign = {
        (str(path), name)
        for path in modules
        for name in _imports(path)
        if name not in PURE and name != own and not name.startswith(f"{own}.")
    }
    assert foreign == set()


def test_events_and_the_shape_of_a_decider_import_nothing_either() -> None:
    """R-119."""
    pure = {"messages", "rules"}
    modules = [path for path in FILES if path.parts[0] == "shared" and path.parts[1] in pure]
    assert {path.parts[1] for path in modules} == pure
    for path in modules:
        own = f"{'.'.join(path.parts[:2])}."
        assert {name for name in _imports(path) if not name.startswith(own)} <= PURE, path


@pytest.mark.parametrize("service", STEPS)
def test_a_service_is_wired_in_one_place(service: str) -> None:
    """House style, 8: nobody but the composition root opens pools, makes doors or starts relays."""
    wiring = {
        "shared.service",
        "shared.settings.environment",
        "shared.kafka.relay",
        "shared.ledger.lease.Leases",
    }
    others = [path for path in FILES if path.parts[:2] == ("services", service) and path.suffix == ".py"]
    found = {
        (str(path), name) for path in others if path.name != "__main__.py" for name in _imports(path) if name in wiring
    }
    assert found == set()


def test_a_migration_is_a_number_and_a_word() -> None:
    """Shared files come before the services', and no two have the same number."""
    migrations = [path for path in FILES if path.parent.name == "migrations"]
    numbers: dict[Path, list[int]] = {}
    for path in migrations:
        number, _, word = path.stem.partition("_")
        assert path.suffix == ".sql"
        assert word.isidentifier()
        numbers.setdefault(path.parent, []).append(int(number))
    assert set(numbers) == {Path("shared/ledger/migrations"), *(Path(f"services/{name}/migrations") for name in STEPS)}
    for folder, found in numbers.items():
        assert len(set(found)) == len(found)
        assert all((number < 100) == (folder == Path("shared/ledger/migrations")) for number in found)


def _imports(path: Path) -> Iterator[str]:
    """Return the modules that a file imports, by full name."""
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
