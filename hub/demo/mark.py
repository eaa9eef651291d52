"""The demo's mark: which data it may use, and that it stays on this machine.

`demo.json` in the data folder says that everything there was made up, and whether the seeding came
to its end. Without the mark a folder that holds anything is refused.
"""

import json
import shutil
from pathlib import Path

from hub.model.errors import SettingsInvalid

FILE = "demo.json"
FOLDER = Path("data-demo")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def check(data_dir: Path, *, host: str, public_host: str, elsewhere: dict[str, str]) -> None:
    """Refuse to run a demo where it could touch real data or be reached from outside.

    Args:
        elsewhere: settings that keep data outside the folder; each must be empty.

    Raises:
        SettingsInvalid: `demo_refused` with key and reason.
    """
    if host not in _LOOPBACK or public_host not in _LOOPBACK:
        raise _refused("HUB_HOST", "the demo lets anybody in: it only runs on 127.0.0.1")
    for key, value in elsewhere.items():
        if value:
            raise _refused(key, "the demo keeps everything in its own folder, on SQLite")
    if data_dir.exists() and not data_dir.is_dir():
        raise _refused("HUB_DATA_DIR", f"{data_dir} is no folder")
    if data_dir.exists() and any(data_dir.iterdir()) and _read(data_dir) is None:
        raise _refused("HUB_DATA_DIR", f"{data_dir} holds data that is not the demo's")


def prepare(data_dir: Path) -> None:
    """Mark the folder; what a start that never ended its seeding left behind is removed."""
    found = _read(data_dir)
    if found is not None and not found.get("seeded"):
        for path in data_dir.iterdir():
            if path.name == FILE:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if found is None:
        _write(data_dir, seeded=False)


def is_seeded(data_dir: Path) -> bool:
    """Tell whether the seeding came to its end."""
    return bool((_read(data_dir) or {}).get("seeded"))


def set_seeded(data_dir: Path) -> None:
    """Note that the seeding came to its end."""
    _write(data_dir, seeded=True)


def _refused(key: str, reason: str) -> SettingsInvalid:
    return SettingsInvalid("demo_refused", file="--demo", key=key, reason=reason)


def _read(data_dir: Path) -> dict[str, object] | None:
    try:
        found = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("demo") is True else None


def _write(data_dir: Path, *, seeded: bool) -> None:
    told = {"demo": True, "seeded": seeded}
    (data_dir / FILE).write_text(json.dumps(told) + "\n", encoding="utf-8")
