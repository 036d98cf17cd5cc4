"""What is in the trash."""

from datetime import datetime

from pydantic import Field

from pixyproxy.core.models import ImageDetail


class TrashedImage(ImageDetail):
    """A deleted image that can still be restored."""

    deleted_at: datetime = Field(
        description="When it was deleted, in UTC.", examples=["2026-11-20T10:00:00.123456Z"]
    )
    kept_until: datetime = Field(
        description="Until when it can be restored, in UTC; then it is deleted for good.",
        examples=["2026-12-20T10:00:00.123456Z"],
    )
