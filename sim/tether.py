"""Starts a command that cannot outlive the process that asked for it; run as a script.

Linux ends the command with SIGKILL when its parent dies, however that dies. The setting survives
the exec; that the parent died before it took effect is seen by a changed parent id.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """``arguments``: the parent's process id, then the command."""
    parent, *command = arguments
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit("tether: prctl failed; the demo needs Linux")
    if os.getppid() != int(parent):
        sys.exit("tether: the parent has ended already")
    os.execv(command[0], command)  # noqa: S606 - the whole purpose


if __name__ == "__main__":
    main(sys.argv[1:])
