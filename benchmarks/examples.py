"""What is asked for and what is answered: the same in the service and beside it."""

import random
import uuid
from datetime import UTC, datetime
from hashlib import sha256

from pixyproxy.core.models import ContentType, ImageDetail
from pixyproxy.core.text import make_filename


def example_image(number: int, content: bytes = b"") -> ImageDetail:
    """Return an image such as there are many; the same number gives the same one."""
    guid = str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))
    now = datetime.fromtimestamp(1_790_000_000 + number, UTC).replace(microsecond=123_456)
    prompt = (
        f"A lighthouse on a cliff at dusk, waves below, in oil, warm light, number {number}; "
        "no people, no ships, a low horizon and much sky"
    )
    return ImageDetail(
        guid=guid,
        filename=make_filename(prompt, now, guid, "png"),
        prompt=prompt,
        created_at=now,
        updated_at=now,
        content_type=ContentType.PNG,
        width=1024,
        height=1024,
        byte_size=len(content),
        sha256=sha256(content).hexdigest(),
        model="gpt-image-2",
        revised_prompt=None,
        parameters={"size": "1024x1024", "quality": "high"},
    )
