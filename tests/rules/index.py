"""Finds the tests of each rule in their docstrings, without running or importing them.

A test that asserts nothing proves nothing: it counts as empty, and so does one that is skipped or expected to fail.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tests.rules.rulebook import RULES

type Function = ast.FunctionDef | ast.AsyncFunctionDef
type Level = Literal["decider", "door", "part"]

NUMBER = re.compile(r"R-(\d{2,3}b?)(?:(?:–|-| to )(?:R-)?(\d{2,3}))?((?:/(?:R-)?\d{2,3}b?)*)")
"""`R-07`, `R-54b`, the ranges `R-20–23` and `R-20 to R-23`, the list `R-52/53`."""
CHECKING = {"raises", "fail", "scenario"}
NOT_CHECKING = {"assert_never", "assert_type"}
NEVER_SHOWN = {"skip", "xfail"}
MACHINE = "RuleBasedStateMachine"
"""A Hypothesis state machine is one long test: each of its methods may cover a rule."""


@dataclass(frozen=True, slots=True)
class Test:
    """A test, the rules that it names, and whether it asserts anything."""

    __test__ = False  # it describes a test and is not one

    path: Path
    name: str
    rules: Sequence[str]
    empty: bool

    @property
    def level(self) -> Level:
        """Return what the test exercises: only the rules, the HTTP API of a running system, or a part of it."""
        if {"journeys", "cli"} & set(self.path.parts) or "door" in self.path.stem:
            return "door"
        decides = self.path.stem.startswith(("test_decider", "test_every", "test_random", "test_property"))
        return "decider" if decides else "part"

    def __str__(self) -> str:
        return f"{self.path.as_posix()}::{self.name}"


@dataclass(frozen=True)
class Index:
    """All tests that name a rule."""

    tests: Sequence[Test]

    @cached_property
    def by_rule(self) -> Mapping[str, Sequence[Test]]:
        """Return the tests of each rule, in the order of the rulebook."""
        return {rule: [test for test in self.tests if rule in test.rules] for rule in RULES}

    def missing(self, rules: Iterable[str] = RULES) -> list[str]:
        """Return the rules without a test, or with only empty ones."""
        return [rule for rule in rules if all(test.empty for test in self.by_rule[rule])]

    def unknown(self) -> list[tuple[str, Test]]:
        """Return the numbers in tests that no rule has."""
        return [(rule, test) for test in self.tests for rule in test.rules if rule not in RULES]

    def empty(self) -> list[Test]:
        """Return the tests that name rules but assert nothing."""
        return [test for test in self.tests if test.empty]


def index_of(house: Path) -> Index:
    """Return the index of all tests below `house`/tests."""
    modules = {
        ".".join(path.relative_to(house).with_suffix("").parts): Module(path.relative_to(house), path.read_text())
        for path in sorted(house.glob("tests/**/*.py"))
    }
    return Index([test for module in modules.values() for test in module.tests(modules)])


class Module:
    """One parsed module of tests."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.tree = ast.parse(text)
        functions = [node for node in ast.walk(self.tree) if isinstance(node, Function.__value__)]
        self.functions: Mapping[str, Function] = {node.name: node for node in functions}

    def tests(self, modules: Mapping[str, "Module"]) -> Iterator[Test]:
        """Return the module's tests that name a rule."""
        for prefix, function in self._collected():
            if rules := rules_in(ast.get_docstring(function) or ""):
                empty = _is_never_shown(function) or not self.checks(function, modules, frozenset())
                yield Test(self.path, prefix + function.name, rules, empty)

    def _collected(self) -> Iterator[tuple[str, Function]]:
        """Return what pytest runs: functions and methods named `test_…`, and all methods of state machines."""
        if not self.path.stem.startswith("test_"):
            return
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef):
                methods = (each for each in node.body if isinstance(each, Function.__value__))
                runs = self._is_machine(node)
                yield from ((f"{node.name}::", each) for each in methods if runs or each.name.startswith("test_"))
            elif isinstance(node, Function.__value__) and node.name.startswith("test_"):
                yield "", node

    def _is_machine(self, node: ast.ClassDef) -> bool:
        """Tell whether a class is a state machine that the module runs, through its TestCase."""
        cases = (each for each in ast.walk(self.tree) if isinstance(each, ast.Attribute) and each.attr == "TestCase")
        runs = any(isinstance(case.value, ast.Name) and case.value.id == node.name for case in cases)
        return runs and MACHINE in map(_last_name, node.bases)

    def checks(self, function: Function, modules: Mapping[str, "Module"], seen: frozenset[int]) -> bool:
        """Tell whether a function, or a test helper that it calls, asserts anything."""
        if id(function) in seen:
            return False
        for node in ast.walk(function):
            match node:
                case ast.Assert(test=ast.Constant()):
                    continue
                case ast.Assert() | ast.Raise(exc=ast.Call(func=ast.Name(id="AssertionError"))):
                    return True
                case ast.Call() if self._call_checks(node, modules, seen | {id(function)}):
                    return True
        return False

    def _call_checks(self, call: ast.Call, modules: Mapping[str, "Module"], seen: frozenset[int]) -> bool:
        name = _last_name(call.func)
        if name in CHECKING or (name.startswith("assert_") and name not in NOT_CHECKING):
            return True
        rooms = [self, *(modules[source] for source in self._sources if source in modules)]
        found = ((room, helper) for room in rooms if (helper := room.functions.get(name)))
        module, helper = next(found, (self, None))
        return helper is not None and module.checks(helper, modules, seen)

    @cached_property
    def _sources(self) -> Sequence[str]:
        """Return the modules that this one imports functions and classes from."""
        imports = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom)]
        return list(dict.fromkeys(node.module for node in imports if node.module))


def rules_in(docstring: str) -> list[str]:
    """Return the rules that a docstring names, with ranges and lists expanded."""
    found: dict[str, None] = {}
    for first, last, others in NUMBER.findall(docstring):
        found[f"R-{first}"] = None
        if last:
            found |= {f"R-{number:02}": None for number in range(int(first.rstrip("b")) + 1, int(last) + 1)}
        found |= {f"R-{number.removeprefix('R-')}": None for number in others.split("/") if number}
    return list(found)


def _is_never_shown(function: Function) -> bool:
    return any(name in NEVER_SHOWN for name in _decorators(function))


def _decorators(function: Function) -> Iterator[str]:
    for decorator in function.decorator_list:
        yield _last_name(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
