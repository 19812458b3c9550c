"""What is set from outside: home folders, and refusals in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import SettingsInvalid
from service.settings import load_settings


def test_what_begins_with_a_tilde_is_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HOME", "MODEL", "DATABASE_PASSWORD_FILE", "IMAGE_ROOT"):
        monkeypatch.setenv(f"FASHION_STUDIO_{name}", f"~/{name.lower()}")
    monkeypatch.setenv("FASHION_STUDIO_IMPORT_ROOTS", "~/photos:s3://bucket/~/photos:~")
    settings = load_settings()
    assert settings.home == tmp_path / "home"
    assert settings.model == tmp_path / "model"
    assert settings.database_password_file == tmp_path / "database_password_file"
    assert settings.image_root == f"{tmp_path}/image_root"
    assert settings.import_roots == (f"{tmp_path}/photos", "s3://bucket/~/photos", str(tmp_path))


@pytest.mark.parametrize("name", ["HOME", "MODEL", "IMAGE_ROOT", "IMPORT_ROOTS"])
def test_the_home_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"FASHION_STUDIO_{name}", "~nobody-of-this-machine/x")
    with pytest.raises(SettingsInvalid, match=f"FASHION_STUDIO_{name}=.*nobody on this machine"):
        load_settings()
