"""The yardstick of bytes: Starlette as it comes, with `FileResponse` and an empty answer."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

ROOT_VARIABLE = "BENCHMARK_ROOT"


async def empty(_: Request) -> Response:
    """Answer nothing."""
    return Response()


async def serve_file(request: Request) -> FileResponse:
    """Answer with a file."""
    return FileResponse(Path(os.environ[ROOT_VARIABLE]) / request.path_params["path"])


app = Starlette(routes=[Route("/empty", empty), Route("/files/{path:path}", serve_file)])
