"""What every test may ask for; nothing here is started before a test asks."""

from tests.runtime import (
    bootstrap,
    database,
    kafka_prefix,
    module_database,
    module_topics,
    own_folder,
    runtime_folder,
    supervisor,
    template_database,
    topics,
)

__all__ = [
    "bootstrap",
    "database",
    "kafka_prefix",
    "module_database",
    "module_topics",
    "own_folder",
    "runtime_folder",
    "supervisor",
    "template_database",
    "topics",
]
