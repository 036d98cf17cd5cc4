"""What is measured. Each benchmark gives the lines of the table that belong together."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks import servers
from benchmarks.data import Filled, MakeDatabase, count_rows
from benchmarks.examples import example_image
from benchmarks.figures import Figure
from benchmarks.load import Answered, get, post, send_for, send_once
from benchmarks.servers import Server

HOT = 1000
IN_FLIGHT = 16
FULL = 24
REFUSALS = 200
ROUNDS = 20
WARM_UP = 50
FIELDS = (
    "guid filename prompt createdAt updatedAt contentType width height byteSize sha256 model "
    "revisedPrompt parameters thumbhash hasContentCredentials url"
)
SKETCHED = (
    "a red fox in the snow", "a lighthouse at night", "a city in the rain", "two cats on a sofa",
    "a rocket on its way to the moon", "mountains at dawn, with a lake", "a desert under stars",
    "an old woman reading", "waves", "a forest in autumn", "a house with a garden", "jazz",
    "a whale under a ship", "the colour of silence", "birds over a field", "a castle in the mist",
)  # fmt: skip

Ours = TypeVar("Ours")
Beside = TypeVar("Beside")


@dataclass(frozen=True)
class Bench:
    """What a benchmark has to work with, on one kind of database."""

    kind: str
    make_database: MakeDatabase
    filled: Filled
    folder: Path
    runs: int
    seconds: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def alternate(
        self, ours: Callable[[], Ours], beside: Callable[[], Beside]
    ) -> tuple[list[Ours], list[Beside]]:
        """Run one after the other, so often as there are runs."""
        pairs = [(self._said(ours()), self._said(beside())) for _ in range(self.runs)]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def repeat(self, ours: Callable[[], Ours]) -> list[Ours]:
        """Run what has nothing beside it."""
        return [self._said(ours()) for _ in range(self.runs)]

    def service(self, **settings: object) -> AbstractContextManager[Server]:
        """Run the service on the filled database."""
        return servers.service(
            self.folder,
            database_url=self.filled.database_url,
            images=self.filled.folder,
            **settings,
        )

    @contextmanager
    def empty_service(self, **settings: object) -> Iterator[Server]:
        """Run the service on an empty database; at the end, see that nothing was half kept."""
        name = f"empty_{next(self._numbers)}"
        database_url, images = self.make_database(name), self.folder / name
        with servers.service(
            self.folder, database_url=database_url, images=images, **settings
        ) as server:
            yield server
        rows, files = count_rows(database_url), sum(1 for _ in images.rglob("*.png"))
        shutil.rmtree(images)
        if rows != files:
            raise RuntimeError(f"{rows} rows, but {files} files")

    def _said(self, result: Ours) -> Ours:
        print(f"    {result}", flush=True)
        return result


def rest(bench: Bench) -> list[Figure]:
    """One image's details over REST."""
    requests = [get(f"/image/{guid}") for guid in bench.filled.guids]
    return _details(bench, "GET /image/{guid}", requests, cold_goal=0.22, hot_goal=0.45)


def graphql(bench: Bench) -> list[Figure]:
    """One image's details over GraphQL."""
    query = f"query Image($guid: ID!) {{ image(guid: $guid) {{ {FIELDS} }} }}"
    requests = [_graphql(query, {"guid": guid}) for guid in bench.filled.guids]
    return _details(bench, "image(guid)", requests, cold_goal=0.55, hot_goal=0.8)


def lists(bench: Bench) -> list[Figure]:
    """Lists of images over GraphQL."""
    goals = {20: 0.65, 100: 0.85}
    query = f"query Images($size: Int!) {{ images(size: $size) {{ {FIELDS} }} }}"
    requests = [[_graphql(query, {"size": size})] for size in goals]
    ours, beside = bench.alternate(
        lambda: _rates(bench, bench.service(), requests),
        lambda: _rates(bench, servers.from_memory(bench.folder), requests),
    )
    return [
        rate_figure(f"images(size: {size})", bench, ours_of, beside_of, goal)
        for (size, goal), ours_of, beside_of in zip(
            goals.items(), zip(*ours, strict=True), zip(*beside, strict=True), strict=True
        )
    ]


def content(bench: Bench) -> list[Figure]:
    """An image's bytes."""
    root = bench.filled.folder
    guids = (bench.filled.large, bench.filled.small)
    paths = [next(root.rglob(f"{guid}.*")).relative_to(root) for guid in guids]
    ours, beside = bench.alternate(
        lambda: _rates(bench, bench.service(), [[get(f"/image/{guid}/content")] for guid in guids]),
        lambda: _rates(
            bench, servers.nginx(bench.folder, root), [[get(f"/{path}")] for path in paths]
        ),
    )
    names, goals = ("content, 1.5 MB", "content, 20 KB"), (0.9, 0.1)
    return [
        rate_figure(name, bench, ours_of, beside_of, goal)
        for name, goal, ours_of, beside_of in zip(
            names, goals, zip(*ours, strict=True), zip(*beside, strict=True), strict=True
        )
    ]


def generation(bench: Bench) -> list[Figure]:
    """From prompt to kept image, with a model server that answers at once."""
    body = {"prompt": example_image(0).prompt, "model": "gpt-image-2", "size": "1024x1024"}

    def both(server: Server, path: str) -> tuple[Answered, Answered]:
        requests = [post(path, body)]
        send_once(server, requests * WARM_UP, connections=1)
        one = send_for(server, requests, bench.seconds, connections=1)
        return one, send_for(server, requests, bench.seconds, connections=8)

    def ours() -> tuple[Answered, Answered]:
        with (
            servers.instant_model(bench.folder) as model,
            bench.empty_service(openai_base_url=f"{model.origin}/v1") as service,
        ):
            return both(service, "/image")

    def beside() -> tuple[Answered, Answered]:
        with servers.instant_model(bench.folder) as model:
            return both(model, "/v1/images/generations")

    service, model = bench.alternate(ours, beside)
    return [
        Figure(
            "POST /image, 1.4 MB, one at a time",
            bench.kind,
            [one.median_ms for one, _ in service],
            "ms",
            goal_of="difference",
            goal=16,  # 12 before each generation was a row, and at most 4 for that
            at_least=False,
            beside=[one.median_ms for one, _ in model],
        ),
        Figure(
            "POST /image, 1.4 MB, eight at a time",
            bench.kind,
            [eight.per_second for _, eight in service],
            "/s",
            goal_of="ours",
            goal=90,
            at_least=True,
            beside=[eight.per_second for _, eight in model],
        ),
    ]


def overload(bench: Bench) -> list[Figure]:
    """How soon a caller hears that there are too many, when the service has all it takes on."""

    def slowest() -> float:
        with (
            ThreadPoolExecutor(FULL) as callers,
            servers.instant_model(bench.folder, together=FULL + 1) as model,
            bench.empty_service(
                openai_base_url=f"{model.origin}/v1",
                max_concurrent_generations=FULL // 3,
                shutdown_grace_s=1,
            ) as service,
        ):
            for _ in range(FULL):
                callers.submit(_try_to_draw, service)
            while _try_to_draw(service)[0] != HTTPStatus.SERVICE_UNAVAILABLE:
                pass
            return max(_try_to_draw(service)[1] for _ in range(REFUSALS))

    what = f"POST /image, refused as overloaded, slowest of {REFUSALS}"
    return [bound_figure(what, bench, bench.repeat(slowest), "ms", 100)]


def memory(bench: Bench) -> list[Figure]:
    """What the service's process takes, idle and at its busiest."""

    def idle() -> float:
        with bench.service() as service:
            pages = [get("/docs"), get("/image"), _graphql("{ images { guid } }", {})]
            send_once(service, pages, connections=1)
            return service.memory_mb("VmRSS")

    def busiest() -> float:
        requests = [post("/image", {"prompt": "a red fox"})] * (IN_FLIGHT * ROUNDS)
        with (
            servers.instant_model(bench.folder, together=IN_FLIGHT) as model,
            bench.empty_service(
                openai_base_url=f"{model.origin}/v1", max_concurrent_generations=IN_FLIGHT
            ) as service,
        ):
            send_once(service, requests, connections=IN_FLIGHT)
            return service.memory_mb("VmHWM")

    return [
        bound_figure("memory, idle", bench, bench.repeat(idle), "MB", 120),
        bound_figure(
            f"memory, peak, {IN_FLIGHT} generations of 1.4 MB at a time",
            bench,
            bench.repeat(busiest),
            "MB",
            250,
        ),
    ]


def sketch(bench: Bench) -> list[Figure]:
    """An image by the embedded generator, with all that a request takes."""
    requests = [post("/image", {"prompt": text, "size": "1024x1024"}) for text in SKETCHED]

    def draw() -> Answered:
        with bench.empty_service(generator="sketch") as service:
            send_once(service, requests[:1], connections=1)
            return send_once(service, requests, connections=1)

    drawn = bench.repeat(draw)
    middle, slowest = [one.median_ms for one in drawn], [one.slowest_ms for one in drawn]
    return [
        bound_figure("sketch, 1024x1024, median of 16 prompts", bench, middle, "ms", 200),
        bound_figure("sketch, 1024x1024, slowest of 16 prompts", bench, slowest, "ms", 200),
    ]


MEASURES: Mapping[str, Callable[[Bench], list[Figure]]] = {
    benchmark.__name__: benchmark
    for benchmark in (rest, graphql, lists, content, generation, overload, memory, sketch)
}


def _try_to_draw(service: Server) -> tuple[int, float]:
    """Return the answer's status, and after how many milliseconds it came; 0: none came."""
    began = time.perf_counter()
    headers = {"Authorization": f"Bearer {servers.KEY}", "Content-Type": "application/json"}
    request = Request(f"{service.origin}/image", b'{"prompt": "a red fox"}', headers)
    try:
        status = urlopen(request, timeout=60).status
    except HTTPError as error:
        status = error.code
    except OSError:
        status = 0
    return status, (time.perf_counter() - began) * 1000


def _details(
    bench: Bench, what: str, requests: Sequence[str], *, cold_goal: float, hot_goal: float
) -> list[Figure]:
    hot = requests[:HOT]

    def ours() -> tuple[Answered, Answered]:
        with bench.service() as service:
            cold = send_once(service, requests)
            send_once(service, hot)
            return cold, send_for(service, hot, bench.seconds)

    def beside() -> Answered:
        with servers.from_memory(bench.folder) as memory:
            send_once(memory, hot)
            return send_for(memory, hot, bench.seconds)

    service, memory = bench.alternate(ours, beside)
    cold, warm = zip(*service, strict=True)
    return [
        rate_figure(f"{what}, each of {len(requests):,} once", bench, cold, memory, cold_goal),
        rate_figure(f"{what}, {len(hot):,} hot ones", bench, warm, memory, hot_goal),
    ]


def _rates(
    bench: Bench, running: AbstractContextManager[Server], loads: Sequence[Sequence[str]]
) -> list[Answered]:
    answered = []
    with running as server:
        for requests in loads:
            send_once(server, [*requests] * WARM_UP)
            answered.append(send_for(server, requests, bench.seconds))
    return answered


def _graphql(query: str, variables: Mapping[str, object]) -> str:
    return post("/graphql", {"query": query, "variables": variables})


def rate_figure(
    what: str, bench: Bench, ours: Sequence[Answered], beside: Sequence[Answered], goal: float
) -> Figure:
    """Return the line of a rate, of which so large a share is to be reached."""
    return Figure(
        what,
        bench.kind,
        [one.per_second for one in ours],
        "/s",
        goal_of="ratio",
        goal=goal,
        at_least=True,
        beside=[one.per_second for one in beside],
    )


def bound_figure(what: str, bench: Bench, ours: Sequence[float], unit: str, goal: float) -> Figure:
    """Return the line of what is to stay below a bound."""
    return Figure(what, bench.kind, ours, unit, goal_of="ours", goal=goal, at_least=False)
