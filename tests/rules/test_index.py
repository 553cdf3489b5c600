"""The index of the rules finds what is missing: tried on small repositories built for it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from tests.rules.__main__ import main
from tests.rules.index import Index, index_of, rules_in
from tests.rules.matrix import WIDTH_MAX, drawn, table_of
from tests.rules.rulebook import CHAPTERS, OUR_DECISIONS, RULES

type Build = Callable[[Mapping[str, str]], Index]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Build a repository with these test modules and return its index."""

    def built(modules: Mapping[str, str]) -> Index:
        for name, text in modules.items():
            path = tmp_path / "tests" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return index_of(tmp_path)

    return built


def one_test(body: str, *, before: str = "", docstring: str = "R-31.") -> dict[str, str]:
    """Return a module with one test."""
    test = f'def test_it() -> None:\n    """{docstring}"""\n    {body}\n'
    return {"test_one.py": f"{dedent(before)}\n{test}"}


# --- the rulebook -------------------------------------------------------------------------------------


def test_the_rulebook_has_every_number_once() -> None:
    numbers = {f"R-{number:02}" for number in range(1, 145)} | {"R-54b"}
    assert set(RULES) == numbers
    assert sum(map(len, CHAPTERS.values())) == len(RULES)
    assert not OUR_DECISIONS - numbers


def test_each_rule_is_one_sentence_of_its_own() -> None:
    assert len(set(RULES.values())) == len(RULES)
    assert all(rule.endswith(".") and ". " not in rule and rule[0].isupper() for rule in RULES.values())


# --- what a docstring names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("docstring", "rules"),
    [
        ("R-31.", ["R-31"]),
        ("R-31, R-38: it takes over.", ["R-31", "R-38"]),
        ("R-52/53.", ["R-52", "R-53"]),
        ("R-52/R-53.", ["R-52", "R-53"]),
        ("R-20–23.", ["R-20", "R-21", "R-22", "R-23"]),
        ("R-20-R-22.", ["R-20", "R-21", "R-22"]),
        ("R-98 to R-101.", ["R-98", "R-99", "R-100", "R-101"]),
        ("R-54b.", ["R-54b"]),
        ("See R-01 and R-01.", ["R-01"]),
        ("R-01\n\nmore in R-115.", ["R-01", "R-115"]),
        ("Nothing of AR-5, 31 or r-31.", []),
    ],
)
def test_a_docstring_names_single_rules_ranges_and_lists(docstring: str, rules: list[str]) -> None:
    assert rules_in(docstring) == rules


# --- what covers a rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "assert 1 + 1 == 2",
        "with pytest.raises(ValueError): int('x')",
        "scenario(given=[], when=1, then=[])",
        "check()",
        "house.check()",
        "with thing: [check() for _ in range(3)]",
    ],
)
def test_a_test_that_asserts_directly_or_through_a_helper_covers_its_rule(body: str, build: Build) -> None:
    helper = """
        def check() -> None:
            deeper()

        def deeper() -> None:
            assert len('x') == 1
    """
    index = build(one_test(body, before=helper))
    assert "R-31" not in index.missing()
    assert index.empty() == []


@pytest.mark.parametrize(
    "body",
    ["pass", "print(1)", "assert True", "assert 'always', 'so'", "helper()", "assert_never(1)", "unknown.thing()"],
)
def test_a_test_that_asserts_nothing_is_empty_and_its_rule_is_missing(body: str, build: Build) -> None:
    index = build(one_test(body, before="def helper() -> None:\n    helper()"))
    assert "R-31" in index.missing()
    assert [test.name for test in index.empty()] == ["test_it"]


@pytest.mark.parametrize("mark", ["@pytest.mark.skip", "@pytest.mark.skip(reason='later')", "@pytest.mark.xfail"])
def test_a_skipped_test_covers_nothing(mark: str, build: Build) -> None:
    text = f'{mark}\ndef test_it() -> None:\n    """R-31."""\n    assert len("x") == 1\n'
    assert "R-31" in build({"test_one.py": text}).missing()


def test_a_helper_of_another_module_counts_with_its_own_helpers(build: Build) -> None:
    index = build(
        one_test("house.sees(1)", before="from tests.people import House")
        | {"people.py": "from tests.waiting import until\nclass House:\n    def sees(self, it):\n        until(it)\n"}
        | {"waiting.py": "def until(it):\n    raise AssertionError(it)\n"}
    )
    assert "R-31" not in index.missing()


def test_one_real_test_beside_an_empty_one_is_enough(build: Build) -> None:
    index = build(one_test("pass") | {"test_two.py": one_test("assert len('x') == 1")["test_one.py"]})
    assert "R-31" not in index.missing()
    assert len(index.by_rule["R-31"]) == 2


def test_an_async_test_and_a_method_count(build: Build) -> None:
    text = '''
        async def test_one():
            """R-01."""
            assert len("x") == 1

        class TestMore:
            def test_two(self):
                """R-02."""
                assert len("x") == 1

            def not_a_test(self):
                """R-03."""
                assert len("x") == 1
    '''
    missing = build({"test_one.py": text}).missing()
    assert {"R-01", "R-02"} & set(missing) == set()
    assert "R-03" in missing


def test_a_state_machine_counts_if_it_is_run(build: Build) -> None:
    machine = '''
        class Machine(RuleBasedStateMachine):
            @invariant()
            def seats_are_never_over(self):
                """R-82."""
                assert len("x") == 1
    '''
    assert "R-82" in build({"test_machine.py": machine}).missing()
    assert "R-82" not in build({"test_machine.py": f"{dedent(machine)}\nTestIt = Machine.TestCase\n"}).missing()


def test_what_pytest_does_not_collect_covers_nothing(build: Build) -> None:
    text = one_test("assert len('x') == 1")["test_one.py"]
    assert "R-31" in build({"helping.py": text}).missing()


def test_a_number_that_no_rule_has_is_reported(build: Build) -> None:
    index = build(one_test("assert len('x') == 1", docstring="R-31, R-199."))
    assert [(rule, str(test)) for rule, test in index.unknown()] == [("R-199", "tests/test_one.py::test_it")]


def test_what_a_test_exercises_is_derived_from_its_path(build: Build) -> None:
    text = one_test("assert len('x') == 1")["test_one.py"]
    places = {
        "device/test_decider_switch.py": "decider",
        "test_random_histories.py": "decider",
        "journeys/test_article.py": "door",
        "shared/doors/test_door.py": "door",
        "shared/ledger/test_events.py": "part",
    }
    index = build(dict.fromkeys(places, text))
    assert {str(test.path.relative_to("tests")): test.level for test in index.by_rule["R-31"]} == places


# --- the command ----------------------------------------------------------------------------------------


@pytest.fixture
def whole(build: Build) -> None:
    """A repository in which each rule has a test."""
    build({"test_all.py": one_test("assert len('x') == 1", docstring=", ".join(RULES))["test_one.py"]})


@pytest.mark.usefixtures("whole")
def test_a_repository_without_gaps_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path, services=()) == 0
    said = capsys.readouterr()
    assert said.err == "Every rule has a test.\n"
    assert all(f"\n{rule}" in said.out and sentence in said.out for rule, sentence in RULES.items())
    assert said.out.count("tests/test_all.py::test_it") == len(RULES)


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("planted", ["without", "empty", "unknown"])
def test_a_planted_gap_fails(planted: str, tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    but_one = ", ".join(rule for rule in RULES if rule != "R-67")
    full = one_test("assert len('x') == 1", docstring=but_one)["test_one.py"]
    gaps = {
        "without": ({"test_all.py": full}, "R-67: no test covers it"),
        "empty": ({"test_all.py": full, "test_67.py": one_test("pass", docstring="R-67.")["test_one.py"]}, "R-67: its"),
        "unknown": (one_test("assert len('x') == 1", docstring="R-670."), "R-670: no such rule"),
    }
    modules, said = gaps[planted]
    build(modules)
    assert main(tmp_path, services=()) == 1
    assert said in capsys.readouterr().err


# --- the tables -----------------------------------------------------------------------------------------


def test_a_table_shows_every_state_input_and_outcome_within_its_width() -> None:
    cells = [(f"state {row}", f"input {column}", f"{row}×{column}") for row in range(5) for column in range(40)]
    lines = list(drawn(cells))
    assert all(len(line) <= WIDTH_MAX for line in lines)
    assert sum(line.startswith("state 0") for line in lines) > 1
    shown = {word for line in lines for word in line.split() if "×" in word}
    assert shown == {outcome for _, _, outcome in cells}


def test_a_missing_cell_is_marked() -> None:
    [_, row, other, _] = drawn([("a", "x", "1"), ("b", "y", "2")])
    assert row.split() == ["a", "1", "?"]
    assert other.split() == ["b", "?", "2"]


def test_tests_that_define_no_table_have_none() -> None:
    assert table_of("shared") is None
