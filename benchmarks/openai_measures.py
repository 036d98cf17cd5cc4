"""What OpenAI's API costs more than our own: CPU time of the service's process for each image."""

from collections.abc import Callable

from benchmarks import servers
from benchmarks.examples import example_image
from benchmarks.figures import Figure
from benchmarks.load import post, send_for, send_once
from benchmarks.measures import WARM_UP, Bench
from benchmarks.servers import Server

_URL = "/v1/images/generations"
_MOST_MS = 1.0


def openai(bench: Bench) -> list[Figure]:
    """POST /v1/images/generations beside POST /image, in turns, of one and the same process."""
    body = {"prompt": example_image(0).prompt, "model": "gpt-image-2", "size": "1024x1024"}
    forms = {form: post(_URL, {**body, "response_format": form}) for form in ("b64_json", "url")}
    image = post("/image", body)
    with (
        servers.instant_model(bench.folder) as model,
        bench.empty_service(openai_base_url=f"{model.origin}/v1") as service,
    ):
        for request in (image, *forms.values()):
            send_once(service, [request] * WARM_UP, connections=1)
        beside = _cpu_ms(service, image, bench.seconds)
        return [
            _figure(bench, form, *bench.alternate(_cpu_ms(service, request, bench.seconds), beside))
            for form, request in forms.items()
        ]


def _cpu_ms(service: Server, request: str, seconds: int) -> Callable[[], float]:
    def measure() -> float:
        began = service.cpu_s
        answered = send_for(service, [request], seconds, connections=1)
        return (service.cpu_s - began) / answered.requests * 1000

    return measure


def _figure(bench: Bench, form: str, ours: list[float], beside: list[float]) -> Figure:
    return Figure(
        f"POST {_URL}, {form}, 1.4 MB, CPU time",
        bench.kind,
        ours,
        "ms",
        goal_of="difference",
        goal=_MOST_MS,
        at_least=False,
        beside=beside,
    )
