"""Secrets come from files or from the environment; a missing one is reported in one line without any value."""

import socket
from pathlib import Path

import pytest

from shared.settings.environment import from_environment
from shared.settings.secrets import WrongSetting, secret


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PERENNIAL_DATABASE_URL", raising=False)
    monkeypatch.setenv("PERENNIAL_SECRETS_FOLDER", str(tmp_path))
    return tmp_path


def test_a_secret_is_read_from_its_file_unless_the_environment_has_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "perennial_database_url").write_text("postgresql://from-a-file\n")
    assert from_environment().database_url.get_secret_value() == "postgresql://from-a-file"
    assert secret("PERENNIAL_DATABASE_URL") == "postgresql://from-a-file"
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql://said")
    assert from_environment().database_url.get_secret_value() == "postgresql://said"
    assert secret("PERENNIAL_DATABASE_URL") == "postgresql://said"


def test_a_missing_secret_is_named_with_the_file_it_belongs_in(folder: Path) -> None:
    with pytest.raises(WrongSetting, match="PERENNIAL_DATABASE_URL is missing") as refused:
        from_environment()
    assert str(folder / "perennial_database_url") in str(refused.value)
    assert secret("PERENNIAL_DATABASE_URL") is None


def test_a_wrong_value_is_named_and_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("PERENNIAL_DATABASE_CONNECTIONS_MAX", "hunter2")
    with pytest.raises(WrongSetting, match="PERENNIAL_DATABASE_CONNECTIONS_MAX cannot be used") as refused:
        from_environment()
    assert "hunter2" not in str(refused.value)


def test_a_folder_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_SECRETS_FOLDER", "/nowhere")
    with pytest.raises(WrongSetting, match="/nowhere, which is not a folder"):
        from_environment()


def test_a_worker_without_a_name_is_named_after_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql://x")
    monkeypatch.delenv("PERENNIAL_WORKER", raising=False)
    assert from_environment().worker == socket.gethostname()
