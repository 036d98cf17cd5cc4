"""GraphQL: generating images.

All fields may be null: what one of several could not do must not take away what the others were
paid for.
"""

from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from pixyproxy.core.models import Generation, GenerationCreate, ImageDetail
from pixyproxy.schema.arguments import fields_of, takes
from pixyproxy.schema.batches import BatchMutation
from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.limits import FREE, PAID
from pixyproxy.schema.trash import TrashMutation
from pixyproxy.schema.types import GenerationType, ImageDetailType
from pixyproxy.service.curating.curation import TagChange

ClientRequestId = Annotated[
    str | None,
    strawberry.argument(
        description="Your own name for this request, as REST's `Idempotency-Key`: sent again, with "
        "the same arguments, it gives the same generation, and nothing is paid for twice."
    ),
]
Guid = Annotated[strawberry.ID, strawberry.argument(description="The generation's GUID.")]
ImageGuid = Annotated[strawberry.ID, strawberry.argument(description="The image's GUID.")]


def _tags(name: str) -> Any:
    return strawberry.argument(description=TagChange.model_fields[name].description)


@strawberry.type(description="What can be done.")
class Mutation(BatchMutation, TrashMutation):
    """The root of all mutations."""

    @strawberry.mutation(
        graphql_type=ImageDetailType | None,
        metadata=PAID,
        description="Have the model draw the prompt, keep the image for good, and answer when it "
        "is kept. What is left out is left to the model. A high-quality image may take minutes: "
        "an error `still-running` then names the generation, which goes on; do not send it again. "
        "Where it is null and an image was kept all the same, `extensions.kept` names the image.",
    )
    @takes(fields_of(GenerationCreate, without={"n"}))
    async def generate_image(
        self, info: PixyInfo, *, client_request_id: ClientRequestId = None, **given: Any
    ) -> ImageDetail:
        """Generate one image and wait for it."""
        context = info.context
        submitted = await context.submit(given, client_request_id, is_waited_for=True)
        detail = await context.services.generations.wait_for_image(submitted, context.wait_s)
        context.kept[str(info.path.key)] = detail.guid
        return detail

    @strawberry.mutation(
        graphql_type=GenerationType | None,
        metadata=PAID,
        description="Have the model draw the prompt, and answer at once: ask for the generation, "
        "or subscribe to it, to see what becomes of it. Where it is null and a generation was "
        "submitted all the same, `extensions.submitted` names it.",
    )
    @takes(fields_of(GenerationCreate))
    async def submit_generation(
        self, info: PixyInfo, *, client_request_id: ClientRequestId = None, **given: Any
    ) -> Generation:
        """Write a generation down, to be run soon."""
        context = info.context
        submitted = await context.submit(given, client_request_id, is_waited_for=False)
        context.submitted[str(info.path.key)] = submitted.generation.guid
        return submitted.generation

    @strawberry.mutation(
        graphql_type=GenerationType | None,
        metadata=FREE,
        description="Cancel a generation that is queued. One that is running was sent to the model "
        "and may be charged for: it cannot be cancelled.",
    )
    async def cancel_generation(self, info: PixyInfo, guid: Guid) -> Generation:
        """Cancel a queued generation."""
        return await info.context.services.generations.cancel(guid)

    @strawberry.mutation(
        graphql_type=GenerationType | None,
        metadata=PAID,
        description="Queue a generation again that failed, was cancelled, or whose outcome is "
        "unknown. It may be charged for once more.",
    )
    async def retry_generation(self, info: PixyInfo, guid: Guid) -> Generation:
        """Queue the same generation again."""
        generation = await info.context.services.generations.retry(guid)
        info.context.submitted[str(info.path.key)] = generation.guid
        return generation

    @strawberry.mutation(
        graphql_type=ImageDetailType | None,
        metadata=FREE,
        description="Give an image tags, or take them away. Nothing else of an image can change.",
    )
    async def update_image(
        self,
        info: PixyInfo,
        guid: ImageGuid,
        add_tags: Annotated[list[str] | None, _tags("add_tags")] = UNSET,
        remove_tags: Annotated[list[str] | None, _tags("remove_tags")] = UNSET,
    ) -> ImageDetail:
        """Change an image's tags."""
        given = {"add_tags": add_tags, "remove_tags": remove_tags}
        changes = {name: tags for name, tags in given.items() if tags}
        return await info.context.services.curation.update_image(guid, changes)

    @strawberry.mutation(
        graphql_type=ImageDetailType | None,
        metadata=FREE,
        description="Delete an image, into the trash where the service has one, else for good, "
        "with its bytes; and return what it was. Caches beyond this service may keep the bytes.",
    )
    async def delete_image(self, info: PixyInfo, guid: ImageGuid) -> ImageDetail:
        """Delete an image."""
        return await info.context.services.curation.delete_image(guid)
