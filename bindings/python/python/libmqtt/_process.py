"""What belongs to the process: its end, and `fork`."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol

from . import _native


class _Open(Protocol):
    """Something with threads."""

    def _abandon(self) -> None:
        """End it at once."""


_open: weakref.WeakSet[_Open] = weakref.WeakSet()


def opened(something: _Open) -> None:
    """Have it ended before the interpreter ends."""
    _open.add(something)


def _end() -> None:
    # While the interpreter still runs, and all other threads too: later, a thread that comes back
    # from a wait would be killed in the middle of it.
    for something in list(_open):
        something._abandon()
    _native.shut_down()


def _after_fork() -> None:
    _open.clear()
    _native.after_fork()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
