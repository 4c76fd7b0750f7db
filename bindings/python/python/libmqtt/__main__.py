"""The command line: `python -m libmqtt broker | pub | sub | passwd`, and `libmqtt`."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    """Run the command, and return its exit code."""
    # The commands look after signals themselves; what they leave alone ends the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.run_cli(["libmqtt", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
