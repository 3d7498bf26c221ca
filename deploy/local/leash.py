"""Ends the supervisor when the process that asked for it is gone: `python -m deploy.local.leash PID STARTED_AT`."""

import os
import signal
import sys

import psutil


def main() -> None:
    pid, started_at = int(sys.argv[1]), float(sys.argv[2])
    try:
        parent = psutil.Process(pid)
        if parent.create_time() == started_at:
            parent.wait()
    except psutil.NoSuchProcess:
        pass
    os.kill(os.getppid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
