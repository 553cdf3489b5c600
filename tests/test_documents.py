"""What the documents say of the house is true: paths, settings, links to headings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings.environment import PREFIX, ServiceSettings
from tests.test_house import FILES, HOUSE

DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
ROOMS = "services|shared|tests|deploy|docs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_document_names_only_files_that_are_there(document: Path) -> None:
    named = set(re.findall(rf"`((?:{ROOMS})/[\w/.-]+)`", _text(document)))
    assert {name for name in named if not (HOUSE / name).exists()} == set()


def test_the_slice_table_names_a_test_in_every_row() -> None:
    rows = [line for line in _text(Path("README.md")).splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(rows) == 19
    assert all(re.search(r"\| `tests/\w+/test_\w+\.py` \|$", row) for row in rows)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_link_to_a_heading_finds_it(document: Path) -> None:
    for target, heading in _links_to_headings(document):
        assert heading in _headings(target), f"{target} has no #{heading}"


def test_every_setting_of_a_service_is_documented() -> None:
    table = re.findall(r"^\| (`[A-Z].*?) \|", _text(Path("docs/operate.md")), re.MULTILINE)
    documented = set(re.findall(rf"{PREFIX}[A-Z_]+", " ".join(table)))
    settings = {f"{PREFIX}{name}".upper() for name in ServiceSettings.model_fields}
    assert documented == settings | {"PERENNIAL_SECRETS_FOLDER"}


def _links_to_headings(document: Path) -> Iterator[tuple[Path, str]]:
    for path, heading in re.findall(r"\]\(([\w/.-]*)#([\w-]+)\)", _text(document)):
        yield document.parent / path if path else document, heading


def _headings(document: Path) -> set[str]:
    """Return the headings of a document as GitHub names them in links."""
    titles = re.findall(r"^#+ (.+)$", _text(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def _text(document: Path) -> str:
    return (HOUSE / document).read_text()
