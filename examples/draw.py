"""Has images drawn and saves them; run again, it goes on where it was and pays nothing twice."""

import argparse
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

SERVICE = os.environ.get("PIXY_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("PIXY_KEY")
PATIENCE_S = 600


def call(path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    """Open one call; an answer of 4xx or 5xx raises HTTPError."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **headers}
    if KEY:
        headers["Authorization"] = f"Bearer {KEY}"
    return urlopen(Request(urljoin(SERVICE, path), data, headers), timeout=90)  # noqa: S310


def submit(prompt: str, count: int) -> dict[str, Any]:
    """Submit a generation; the same wish is the same generation, however often it is sent."""
    wish = {"prompt": prompt, "n": count}
    name = hashlib.sha256(json.dumps(wish).encode()).hexdigest()
    with call("/generation", wish, **{"Idempotency-Key": name}) as answer:
        generation: dict[str, Any] = json.load(answer)
    return generation


def follow(guid: str) -> Iterator[dict[str, Any]]:
    """Yield the generation at each change until its end, over as many connections as it takes."""
    gives_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < gives_up_at:
        try:
            with call(f"/generation/{guid}/events") as events:
                for line in events:
                    if line.startswith(b"data: "):
                        yield json.loads(line[6:])
        except HTTPError:
            raise
        except (URLError, TimeoutError, ConnectionError) as error:
            print(f"asking again: {error}")
            time.sleep(1)
        else:
            return
    raise SystemExit("it takes too long; run this again to go on waiting")


def main() -> None:
    """Draw, follow, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompt")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("drawn"))
    options = parser.parse_args()

    generation = submit(options.prompt, options.count)
    for seen in follow(generation["guid"]):
        print(seen["status"])
        generation = seen
    if generation["status"] != "succeeded":
        raise SystemExit(f"no images: {generation['error']}")
    options.folder.mkdir(exist_ok=True)
    for image in generation["images"]:
        path = options.folder / image["filename"]
        with call(image["url"]) as content:
            path.write_bytes(content.read())
        assert hashlib.sha256(path.read_bytes()).hexdigest() == image["sha256"]
        print(path)


if __name__ == "__main__":
    main()
