"""What everything else is built from: models, exceptions, GUIDs. Imports nothing of ours."""

from pixyproxy.core.guid import make_guid

__all__ = ["make_guid"]
