"""GraphQL: the same done to many images at once."""

from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.fields import shows
from pixyproxy.schema.limits import FREE
from pixyproxy.service.curating.batches import BatchFailure, BatchResult, ImageBatch
from pixyproxy.service.curating.curation import TagChange

Guids = Annotated[
    list[strawberry.ID],
    strawberry.argument(description=ImageBatch.model_fields["guids"].description),
]


def _tags(name: str) -> Any:
    return strawberry.argument(description=TagChange.model_fields[name].description)


@strawberry.type(name="BatchFailure", description="An image to which it could not be done.")
@shows(BatchFailure)
class BatchFailureType:
    """The fields of the service's BatchFailure."""

    guid: strawberry.ID


@strawberry.type(name="BatchResult", description="What became of each image that was named.")
@shows(BatchResult)
class BatchResultType:
    """The fields of the service's BatchResult."""

    done: list[strawberry.ID]
    failed: list[BatchFailureType]


@strawberry.type
class BatchMutation:
    """The mutations of many images."""

    @strawberry.mutation(
        graphql_type=BatchResultType | None,
        metadata=FREE,
        description="Give images tags, or take them away, and tell to which it was done and to "
        "which not.",
    )
    async def update_images(
        self,
        info: PixyInfo,
        guids: Guids,
        add_tags: Annotated[list[str] | None, _tags("add_tags")] = UNSET,
        remove_tags: Annotated[list[str] | None, _tags("remove_tags")] = UNSET,
    ) -> BatchResult:
        """Change the tags of many images."""
        given = {"add_tags": add_tags, "remove_tags": remove_tags}
        changes = {name: tags for name, tags in given.items() if tags}
        return await info.context.services.batches.update_images({"guids": guids, **changes})

    @strawberry.mutation(
        graphql_type=BatchResultType | None,
        metadata=FREE,
        description="Delete images, into the trash where the service has one, else for good, with "
        "their bytes; and tell to which it was done and to which not.",
    )
    async def delete_images(self, info: PixyInfo, guids: Guids) -> BatchResult:
        """Delete many images."""
        return await info.context.services.batches.delete_images({"guids": guids})
