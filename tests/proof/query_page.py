"""The programs and the table of docs/query.md, for the tests that run them as they stand."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "query.md").read_text()


def shown(section: str, language: str) -> list[str]:
    """Return the programs that a section of the page shows."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


EXPORTS = "".join(shown("Export", "sh")).splitlines()
BY_MONTH, OF_TERMS, OF_BREAKS, OF_JSON_LINES = shown("DuckDB", "sql")
"""For DuckDB; `OF_BREAKS` names the first event after each break of a chain."""
READ_PARQUET, READ_JSON_LINES = shown("Polars", "python")
(IN_PSQL,) = shown("PostgreSQL", "sql")
