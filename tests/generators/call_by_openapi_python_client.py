"""Calls the service by the client that openapi-python-client has made, the package `pixy_client`.

Arguments: the service's origin and a key. Writes what came of it as JSON.
"""

import hashlib
import json
import sys

from pixy_client import AuthenticatedClient
from pixy_client.api.generations import follow_generation, get_generation
from pixy_client.api.images import (
    generate_image,
    get_image,
    get_image_content,
    list_images,
    search_images,
    update_image,
)
from pixy_client.models import GenerationCreate, GetImageContentFormat, Orientation, TagChange

origin, key = sys.argv[1:]
with AuthenticatedClient(base_url=origin, token=key) as client:
    made = generate_image.sync(
        client=client, body=GenerationCreate(prompt="a red fox", size="96x64")
    )
    queued = generate_image.sync(
        client=client,
        body=GenerationCreate(prompt="a whale", size="64x64"),
        prefer="respond-async",
    )
    events = follow_generation.sync(queued.guid, client=client)
    changed = update_image.sync(made.guid, client=client, body=TagChange(add_tags=["winter"]))
    found = search_images.sync(
        client=client, query="fox", tag=["winter"], orientation=Orientation.LANDSCAPE
    )
    original = get_image_content.sync(made.guid, client=client).payload.read()
    small = get_image_content.sync(
        made.guid, client=client, width=32, format_=GetImageContentFormat.PNG
    ).payload.read()
    problem = get_image.sync("none", client=client)
    sys.stdout.write(
        json.dumps(
            {
                "answers": [type(answer).__name__ for answer in (made, queued, problem)],
                "code": problem.code,
                "events": events.count("event: generation"),
                "finished": get_generation.sync(queued.guid, client=client).status,
                "found": made.guid in [image.guid for image in found],
                "listed": len(list_images.sync(client=client)) > 1,
                "original": hashlib.sha256(original).hexdigest() == made.sha256,
                "small": small[:4].hex(),
                "tags": changed.tags,
            }
        )
    )
