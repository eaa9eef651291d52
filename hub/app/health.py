"""What the process knows about itself, for /readyz."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hub.store.spool import Spool

State = Literal["starting", "running", "draining"]
ROOM_BYTES = 1_000_000
"""Less free space than this and the spool, or a SQLite file, counts as unwritable."""


@dataclass(slots=True)
class Health:
    """Set by the server and by the upkeep loop.

    Attributes:
        store_up: whether the last look at the database was answered.
        database_file: of SQLite: it answers reads on a full disk and takes nothing.
    """

    spool: Spool
    spool_folder: Path
    state: State = "starting"
    store_up: bool = True
    database_file: Path | None = None

    def store_told(self, up: bool) -> None:
        """Take the word of the upkeep loop."""
        self.store_up = up

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Tell whether requests should come here: also while degraded, if the spool takes them."""
        writable = spool_writable(self.spool_folder)
        spool = "writable" if writable else "unwritable"
        waiting = self.spool.total
        store = "up" if self.store_up else "away"
        if self.database_file is not None and not has_room(self.database_file.parent):
            store = "full"
        parts = {
            "process": self.state,
            "store": store,
            "spool": f"{spool}, {waiting} waiting" if waiting else spool,
        }
        return self.state == "running" and (store == "up" or writable), parts


def spool_writable(folder: Path) -> bool:
    """Tell whether a verified request could be kept in the spool's folder."""
    place = next((one for one in (folder, *folder.parents) if one.exists()), None)
    return place is not None and os.access(place, os.W_OK) and has_room(place)


def has_room(folder: Path) -> bool:
    """Tell whether something can still be written on a folder's disk."""
    return shutil.disk_usage(folder).free > ROOM_BYTES
