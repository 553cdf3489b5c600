"""The setting that names another file: the policy."""

from pathlib import Path

import pytest

from shared.rules.policy import POLICY
from shared.settings.environment import ServiceSettings
from shared.settings.secrets import WrongSetting


def settings(policy_file: Path | None) -> ServiceSettings:
    """Return settings with this policy file."""
    return ServiceSettings.model_validate({"database_url": "postgresql://nowhere", "policy_file": policy_file})


def test_without_a_file_the_standard_policy_is_in_use() -> None:
    assert settings(None).policy() == POLICY


def test_a_policy_file_is_in_use(tmp_path: Path) -> None:
    """R-54: under its own name and number."""
    file = tmp_path / "policy.json"
    file.write_text('{"name": "generous", "version": 7, "block_notice": "P30D"}')
    policy = settings(file).policy()
    assert (policy.name, policy.version, policy.block_notice.days) == ("generous", 7, 30)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"name": "a"}', '{"name": "a", "version": 1, "colour": "red"}'])
def test_a_policy_that_cannot_be_used_is_named_with_its_file(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(WrongSetting, match=r"policy\.json"):
        settings(file).policy()
