"""The tiny service as a process of its own: settings from the environment, as every service has them."""

import json
import os

from shared import observability
from shared.process import serve
from shared.settings import Settings
from tests.integration.shared.edge import edge_app

if __name__ == "__main__":
    settings = Settings.model_validate(json.loads(os.environ["EDGE_SETTINGS"]))
    observability.set_up(settings)
    serve(edge_app(settings), settings)
