"""What the process knows about itself, for /readyz."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hub.store.spool import Spool

State = Literal["starting", "running", "draining"]
ROOM_BYTES = 1_000_000
"""Less free space than this and the spool counts as unwritable."""


@dataclass(slots=True)
class Health:
    """Set by the server and by the upkeep loop.

    Attributes:
        store_up: whether the last look at the database was answered.
    """

    spool: Spool
    spool_folder: Path
    state: State = "starting"
    store_up: bool = True

    def store_told(self, up: bool) -> None:
        """Take the word of the upkeep loop."""
        self.store_up = up

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Tell whether requests should come here: also while degraded, if the spool takes them."""
        writable = spool_writable(self.spool_folder)
        spool = "writable" if writable else "unwritable"
        waiting = self.spool.total
        parts = {
            "process": self.state,
            "store": "up" if self.store_up else "away",
            "spool": f"{spool}, {waiting} waiting" if waiting else spool,
        }
        return self.state == "running" and (self.store_up or writable), parts


def spool_writable(folder: Path) -> bool:
    """Tell whether a verified request could be kept in the spool's folder."""
    place = next((one for one in (folder, *folder.parents) if one.exists()), None)
    if place is None or not os.access(place, os.W_OK):
        return False
    return shutil.disk_usage(place).free > ROOM_BYTES
