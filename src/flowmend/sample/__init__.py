"""The sample: a small order service in its own process, connectors for it and flows that use them.

The service stands beside Flowmend as a stranger would: it imports nothing from the rest of the package. Its connectors
and flows are plain files, read as a user's own would be.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable


def connector_folders() -> tuple[Traversable, ...]:
    """The sample's connectors by name, each a folder of `apiDefinition.swagger.json` and `apiProperties.json`."""
    return tuple(
        sorted((entry for entry in files(__name__).joinpath("connectors").iterdir() if entry.is_dir()), key=_name)
    )


def flow_files() -> tuple[Traversable, ...]:
    """The sample's flows by file name, each in the form of a Power Automate solution (`Workflows/*.json`)."""
    return tuple(
        sorted(
            (entry for entry in files(__name__).joinpath("flows").iterdir() if entry.name.endswith(".json")), key=_name
        )
    )


def _name(entry: Traversable) -> str:
    return entry.name
