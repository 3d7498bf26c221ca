"""`make clean`: removes the data of every profile, also where it lies outside the checkout."""

import sys

from deploy.local.folders import STATE, AlreadyRunning
from deploy.local.stack import forget

if __name__ == "__main__":
    try:
        for lock in STATE.glob("*/lock"):
            forget(lock.parent.name)
    except AlreadyRunning as refused:
        sys.exit(str(refused))
