"""GraphQL: generating images."""

from collections.abc import Callable, Collection
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar, get_type_hints

import strawberry
from pydantic import BaseModel
from strawberry import UNSET

from pixyproxy.core.models import Generation, GenerationCreate, ImageDetail
from pixyproxy.schema.batches import BatchMutation
from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.types import GenerationType, ImageDetailType
from pixyproxy.service.curating.curation import TagChange

_Resolver = TypeVar("_Resolver", bound=Callable[..., Any])


def _takes(
    model: type[BaseModel], *, without: Collection[str] = ()
) -> Callable[[_Resolver], _Resolver]:
    """Have a resolver take the model's fields as arguments, described in the same words.

    They reach it by its `**asked`, those that were given.
    """
    types = get_type_hints(model)
    names = [name for name in model.model_fields if name not in without]

    def make_argument(name: str) -> Parameter:
        field = model.model_fields[name]
        default = Parameter.empty if field.is_required() else field.default
        described = strawberry.argument(description=field.description)
        annotation: Any = Annotated[types[name], described]
        return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    def declare(resolver: _Resolver) -> _Resolver:
        written = signature(resolver)
        receiver, info, *others, _asked = written.parameters.values()
        arguments = [
            # In Strawberry's terms None would be a default that clients see.
            argument.replace(default=UNSET) if argument.default is None else argument
            for argument in (*map(make_argument, names), *others)
        ]
        declared = written.replace(parameters=[receiver, info, *arguments])
        resolver.__signature__ = declared  # type: ignore[attr-defined]
        return resolver

    return declare


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
class Mutation(BatchMutation):
    """The root of all mutations. What it is given is validated by the service."""

    @strawberry.mutation(
        graphql_type=ImageDetailType,
        description="Have the model draw the prompt, keep the image for good, and answer when it "
        "is kept. What is left out is left to the model. A high-quality image may take minutes: "
        "an error `still-running` then names the generation, which goes on; do not send it again. "
        "Where another field fails and leaves no `data`, `extensions.kept` names what was kept.",
    )
    @_takes(GenerationCreate, without={"n"})
    async def generate_image(
        self, info: PixyInfo, *, client_request_id: ClientRequestId = None, **asked: Any
    ) -> ImageDetail:
        """Generate one image and wait for it."""
        context = info.context
        with context.terms(client_request_id) as terms:
            detail = await context.images.create_image(
                GenerationCreate.model_construct(**asked), terms
            )
        context.kept.append(detail.guid)
        return detail

    @strawberry.mutation(
        graphql_type=GenerationType,
        description="Have the model draw the prompt, and answer at once: ask for the generation, "
        "or subscribe to it, to see what becomes of it. Where another field fails and leaves no "
        "`data`, `extensions.submitted` names what was submitted.",
    )
    @_takes(GenerationCreate)
    async def submit_generation(
        self, info: PixyInfo, *, client_request_id: ClientRequestId = None, **asked: Any
    ) -> Generation:
        """Write a generation down, to be run soon."""
        context = info.context
        with context.terms(client_request_id) as terms:
            generation = await context.generations.submit(
                GenerationCreate.model_construct(**asked), terms
            )
        context.submitted.append(generation.guid)
        return generation

    @strawberry.mutation(
        graphql_type=GenerationType,
        description="Cancel a generation that is queued. One that is running was sent to the model "
        "and may be charged for: it cannot be cancelled.",
    )
    async def cancel_generation(self, info: PixyInfo, guid: Guid) -> Generation:
        """Cancel a queued generation."""
        return await info.context.generations.cancel(guid)

    @strawberry.mutation(
        graphql_type=GenerationType,
        description="Queue a generation again that failed, was cancelled, or whose outcome is "
        "unknown. It may be charged for once more.",
    )
    async def retry_generation(self, info: PixyInfo, guid: Guid) -> Generation:
        """Queue the same generation again."""
        generation = await info.context.generations.retry(guid)
        info.context.submitted.append(generation.guid)
        return generation

    @strawberry.mutation(
        graphql_type=ImageDetailType,
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
        return await info.context.curation.update_image(guid, changes)

    @strawberry.mutation(
        graphql_type=ImageDetailType,
        description="Delete an image for good, with its bytes, and return what it was. Caches "
        "beyond this service may keep the bytes.",
    )
    async def delete_image(self, info: PixyInfo, guid: ImageGuid) -> ImageDetail:
        """Delete an image."""
        return await info.context.curation.delete_image(guid)
