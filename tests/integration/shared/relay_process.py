"""A relay as a process of its own, whose leader is cut off after so short a silence that a test can wait for it."""

import asyncio
import json
import os

from shared import relay
from shared.settings import Settings

if __name__ == "__main__":
    relay.IDLE_SESSION_TIMEOUT_MS = int(os.environ["RELAY_SILENCE_MS"])
    asyncio.run(relay.run(Settings.model_validate(json.loads(os.environ["RELAY_SETTINGS"]))))
