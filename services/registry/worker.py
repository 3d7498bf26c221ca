"""The registry's worker: it announces, and listens to nobody."""

from services.registry.settings import RegistrySettings
from shared import observability, process
from shared.live import open_live


def main() -> None:
    settings = RegistrySettings.model_validate({})
    observability.set_up(settings)
    process.work(open_live(settings), consumer=None)


if __name__ == "__main__":
    main()
