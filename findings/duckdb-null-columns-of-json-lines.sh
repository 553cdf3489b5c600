#!/usr/bin/env bash
# DuckDB 2.0.1: a JSON field that is null in the first 20,480 lines is null in all later ones, without an error.
#
# Documented: `read_json` finds the types in a sample of 20,480 objects, and passes over errors only with `ignore_errors`.
# Seen: the column gets the type "NULL", and every later value is read as NULL. DuckDB 1.5.6 gives such a column the type
# JSON and keeps its values. `sample_size=-1` or named `columns` read them in both. (A field that is missing from the
# sample is lost in both versions, also one inside an object: DuckDB's issue 25826.)
# Ours: exports are Parquet first, which needs no guessing; docs/query.md names the columns of JSON lines.
set -euo pipefail

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
cd "$FOLDER"
cat >count.py <<'PY'
import json
import sys

import duckdb

SAMPLE = 20_480
lines = [json.dumps({"number": number, "cause": None}) for number in range(SAMPLE)]
lines.append(json.dumps({"number": SAMPLE, "cause": "at last"}))
with open("events.jsonl", "w") as file:
    file.write("\n".join(lines))
source = "'events.jsonl'" if sys.argv[1] == "sample" else "read_json('events.jsonl', sample_size=-1)"
print(duckdb.connect().execute(f"select count(cause) from {source}").fetchall()[0][0])
PY

values() { # values DUCKDB HOW: how many values of the file this version finds
    [ -d "venv-$1" ] || { python3 -m venv "venv-$1" && "venv-$1/bin/pip" install --quiet "duckdb==$1"; }
    "venv-$1/bin/python" count.py "$2"
}

old=$(values 1.5.6 sample)
new=$(values 2.0.1 sample)
whole=$(values 2.0.1 whole)
echo "values found, of 1: DuckDB 1.5.6: $old, DuckDB 2.0.1: $new, DuckDB 2.0.1 with sample_size=-1: $whole"
[ "$old" = 1 ] && [ "$new" = 0 ] && [ "$whole" = 1 ]
