"""GraphQL: following generations."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from pixyproxy.core.models import Generation
from pixyproxy.schema.context import PixyInfo
from pixyproxy.schema.types import GenerationType


@strawberry.type(description="What can be followed, over a WebSocket.")
class Subscription:
    """The root of all subscriptions."""

    @strawberry.subscription(
        graphql_type=GenerationType,
        description="The generation as it is now, and again after each change of its status, "
        "until it has ended.",
    )
    def generation(
        self,
        info: PixyInfo,
        guid: Annotated[strawberry.ID, strawberry.argument(description="The generation's GUID.")],
    ) -> AsyncGenerator[Generation, None]:
        """Yield a generation's states."""
        return info.context.services.generations.watch(guid)
