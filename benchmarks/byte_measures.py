"""What is measured of bytes: images as they are and in other sizes, each beside plain servers."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

import orjson

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.load import Answered, get, send_for, send_once
from benchmarks.measures import SKETCHED, WARM_UP, Bench, bound_figure, rate_figure
from benchmarks.servers import KEY, Server
from tests.support.slow_clients import CLIENTS, MAX_MORE_BYTES, keep_large_image, read_all_slowly

_VARIANT = "width=240&format=webp"
"""Of the large image, which is noise, it has about 20 KB."""


def serving_bytes(bench: Bench) -> list[Figure]:
    """Derivatives, 304, X-Accel-Redirect, slow clients, and the first of a derivative."""
    return [
        *_derivatives(bench),
        *_unmodified(bench),
        *_through_nginx(bench),
        *_slow_clients(bench),
        *_first_derivative(bench),
    ]


def _derivatives(bench: Bench) -> list[Figure]:
    path = f"/image/{bench.filled.large}/content?{_VARIANT}"
    copies = bench.folder / "copies"
    copies.mkdir()
    with bench.service() as service:
        derivative = urlopen(service.origin + path).read()
    (copies / "derivative.webp").write_bytes(derivative)
    whole = _paths(bench)[0]
    runs = [
        (
            _rate(bench, bench.service(), path),
            _rate(bench, servers.nginx(bench.folder, copies), "/derivative.webp"),
            _rate(bench, servers.starlette_files(bench.folder, copies), "/files/derivative.webp"),
            _rate(bench, bench.service(), f"/image/{bench.filled.large}/content"),
            _rate(bench, servers.starlette_files(bench.folder, whole[0]), f"/files/{whole[1]}"),
        )
        for _ in range(bench.runs)
    ]
    print(*(f"    {run}" for run in runs), sep="\n", flush=True)
    ours, nginx, starlette, ours_whole, starlette_whole = zip(*runs, strict=True)
    name = f"derivative, {len(derivative) / 1000:.0f} KB"
    return [
        rate_figure(f"{name}, beside nginx", bench, ours, nginx, 0.12),
        rate_figure(f"{name}, beside FileResponse", bench, ours, starlette, 3),
        rate_figure("content, 1.5 MB, beside FileResponse", bench, ours_whole, starlette_whole, 1),
    ]


def _unmodified(bench: Bench) -> list[Figure]:
    path = f"/image/{bench.filled.large}/content"
    with bench.service() as service:
        etag = urlopen(service.origin + path).headers["ETag"]
    ours, empty = bench.alternate(
        lambda: _rate(bench, bench.service(), path, [f"If-None-Match: {etag}"]),
        lambda: _rate(bench, servers.starlette_files(bench.folder, bench.folder), "/empty"),
    )
    return [rate_figure("304, beside an empty Starlette route", bench, ours, empty, 0.3)]


def _through_nginx(bench: Bench) -> list[Figure]:
    """Both times nginx is on the other core, with the load: only the service has its own."""
    root, path = _paths(bench)[0]

    def run(asked: str) -> Answered:
        with (
            bench.service(accel_redirect="/_images") as service,
            servers.nginx_before(service, root) as nginx,
        ):
            return _send(bench, nginx, asked, [])

    ours, beside = bench.alternate(
        lambda: run(f"/image/{bench.filled.large}/content"), lambda: run(f"/{path}")
    )
    what = "content, 1.5 MB, X-Accel-Redirect, beside that nginx"
    return [rate_figure(what, bench, ours, beside, 0.9)]


def _slow_clients(bench: Bench) -> list[Figure]:
    url, images = bench.make_database("slow"), bench.folder / "slow"
    guid = asyncio.run(keep_large_image(url, images))

    def more() -> float:
        with servers.service(bench.folder, database_url=url, images=images) as service:
            port = int(service.origin.rpartition(":")[2])
            asyncio.run(read_all_slowly(port, guid, clients=1))
            before = service.memory_mb("VmHWM")
            asyncio.run(read_all_slowly(port, guid))
            return service.memory_mb("VmHWM") - before

    what = f"memory, more for {CLIENTS} slow clients of 20 MB"
    return [bound_figure(what, bench, bench.repeat(more), "MB", MAX_MORE_BYTES / 1e6)]


def _first_derivative(bench: Bench) -> list[Figure]:
    def run() -> tuple[float, float]:
        with bench.empty_service(generator="sketch") as service:
            urls = [_draw(service, text) for text in SKETCHED]
            _time(urls[0])  # the first of all loads the codecs
            first, second = ([_time(url) for url in urls[1:]] for _ in range(2))
            return median(first), median(second)

    first, second = zip(*bench.repeat(run), strict=True)
    return [
        bound_figure("first 320-pixel WebP of a 1024x1024 PNG", bench, first, "ms", 60),
        bound_figure("the next one, from store", bench, second, "ms", 5),
    ]


def _draw(service: Server, prompt: str) -> str:
    body = orjson.dumps({"prompt": prompt, "size": "1024x1024"})
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with urlopen(Request(f"{service.origin}/image", body, headers)) as answer:
        return f"{orjson.loads(answer.read())['url']}?width=320&format=webp"


def _time(url: str) -> float:
    began = time.perf_counter()
    with urlopen(url) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1000


def _paths(bench: Bench) -> list[tuple[Path, Path]]:
    """Return the folder and the path in it, of the large file and of the small one."""
    root = bench.filled.folder
    guids = (bench.filled.large, bench.filled.small)
    return [(root, next(root.rglob(f"{guid}.*")).relative_to(root)) for guid in guids]


def _rate(
    bench: Bench,
    running: AbstractContextManager[Server],
    path: str,
    headers: Sequence[str] = (),
) -> Answered:
    with running as server:
        return _send(bench, server, path, headers)


def _send(bench: Bench, server: Server, path: str, headers: Sequence[str]) -> Answered:
    requests = [get(path)]
    send_once(server, requests * WARM_UP, headers=headers)
    return send_for(server, requests, bench.seconds, headers=headers)
