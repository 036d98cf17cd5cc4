"""The same done to many images at once, and many as one zip file."""

import io
import zipfile
from typing import Any

import httpx2
import pytest


async def test_batches_tell_to_which_it_was_done(client: httpx2.AsyncClient) -> None:
    made = [(await client.post("/image", json={"prompt": f"cat {n}"})).json() for n in range(3)]
    guids = [image["guid"] for image in made]
    await client.delete(f"/image/{guids[2]}")
    body = {"guids": [*guids, "nobody", guids[0]], "add_tags": ["Sea"], "remove_tags": ["x"]}
    failed = [
        {"guid": guids[2], "code": "image-gone"},
        {"guid": "nobody", "code": "image-not-found"},
    ]

    assert (await client.post("/image/batch/update", json=body)).json() == {
        "done": guids[:2],
        "failed": failed,
    }
    assert (await client.get(f"/image/{guids[1]}")).json()["tags"] == ["sea"]
    query = """mutation($guids: [ID!]!) {
        updateImages(guids: $guids, removeTags: ["sea"]) { done failed { guid code } }
        deleteImages(guids: $guids) { done failed { guid code } }
    }"""
    variables = {"guids": [*guids, "nobody"]}
    answer = await client.post("/graphql", json={"query": query, "variables": variables})
    same = {"done": guids[:2], "failed": failed}
    assert answer.json() == {"data": {"updateImages": same, "deleteImages": same}}
    gone = await client.post("/image/batch/delete", json={"guids": guids[:1]})
    assert gone.json() == {"done": [], "failed": [{"guid": guids[0], "code": "image-gone"}]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"guids": []},
        {"guids": ["x"] * 501},
        {"guids": "x"},
        {"guids": ["x"], "add_tags": ["a"], "remove_tags": ["A"]},
        {"guids": ["x"], "add_tags": [""]},
        {"guids": ["x"], "other": 1},
    ],
)
async def test_a_batch_that_will_not_do_is_refused(
    client: httpx2.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await client.post("/image/batch/update", json=body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "constraint-violation"


async def test_a_zip_has_what_is_there(client: httpx2.AsyncClient) -> None:
    made = [(await client.post("/image", json={"prompt": f"cat {n}"})).json() for n in range(2)]
    guids = [image["guid"] for image in made]

    answer = await client.post("/image/zip", json={"guids": [guids[1], "nobody", guids[0]]})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = [made[1]["filename"], made[0]["filename"]]
        assert archive.namelist() == ["images.json", *names]
        for image in made:
            content = (await client.get(f"/image/{image['guid']}/content")).content
            assert archive.read(image["filename"]) == content
    nothing = await client.post("/image/zip", json={"guids": ["nobody"]})
    assert (nothing.status_code, nothing.json()["code"]) == (404, "image-not-found")
