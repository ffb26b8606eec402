"""Commands under the names that they had in the release before: they warn, and become today's.

The next release has this module, and each ``if __name__ == "__main__"`` that calls it, no more.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def become(*command: str) -> NoReturn:
    """Replace this process by ``python -m onboarding_bot COMMAND``, with the arguments and Python's options at hand."""
    spec = sys.modules["__main__"].__spec__
    former = f"python -m {spec.name}" if spec else sys.argv[0]
    new = f"python -m onboarding_bot {' '.join(command)}"
    print(f"warning: {former} is now {new}; the former name goes with the next release", file=sys.stderr, flush=True)
    options = sys.orig_argv[1 : sys.orig_argv.index("-m")] if "-m" in sys.orig_argv else []
    program = [sys.executable, *options, "-m", "onboarding_bot", *command, *sys.argv[1:]]
    os.execv(sys.executable, program)  # noqa: S606 - no shell is wanted
