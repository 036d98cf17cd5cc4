"""Calls the service by the client that openapi-generator has made, the package `pixy`.

Arguments: the service's origin and a key. Writes what came of it as JSON.
"""

import hashlib
import json
import sys

import pixy

origin, key = sys.argv[1:]
with pixy.ApiClient(pixy.Configuration(host=origin, access_token=key)) as client:
    images, generations = pixy.ImagesApi(client), pixy.GenerationsApi(client)
    made = images.generate_image(pixy.GenerationCreate(prompt="a red fox", size="96x64"))
    queued = images.generate_image(
        pixy.GenerationCreate(prompt="a whale", size="64x64"), prefer="respond-async"
    )
    events = generations.follow_generation(queued.guid)
    changed = images.update_image(made.guid, pixy.TagChange(add_tags=["winter"]))
    found = images.search_images(
        query="fox", tag=["winter"], orientation=pixy.Orientation.LANDSCAPE
    )
    original = images.get_image_content(made.guid)
    try:
        images.get_image("none")
    except pixy.ApiException as error:
        problem = error.data
    sys.stdout.write(
        json.dumps(
            {
                "answers": [type(answer).__name__ for answer in (made, queued, problem)],
                "code": problem.code.actual_instance,
                "events": events.count("event: generation"),
                "finished": generations.get_generation(queued.guid).status,
                "found": made.guid in [image.guid for image in found],
                "listed": len(images.list_images()) > 1,
                "original": hashlib.sha256(original).hexdigest() == made.sha256,
                "small": images.get_image_content(made.guid, width=32, format="png")[:4].hex(),
                "tags": changed.tags,
            }
        )
    )
