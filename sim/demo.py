"""``./run demo``, of which Ctrl-C leaves no traceback from its first moment to its last."""

import signal
import sys

_INTERRUPTED = 128 + signal.SIGINT


def start() -> int:
    """Run the demo; the exit status is that of `sim.command.main`."""
    # Before there is anything to stop in order, Ctrl-C just ends the process: what is imported
    # here takes half a second.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sim.command import main

    try:
        return main()
    except KeyboardInterrupt:  # asyncio gives the signal back to Python when it has stopped all
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(start())
