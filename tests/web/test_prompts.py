"""Any prompt comes back equal, under a legal name, and its file stays in its folder."""

import re
from pathlib import Path
from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.conftest import MakeSettings, open_client

PROMPTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=100
).filter(lambda text: text.strip())
PATH = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/\1\2[0-9a-f]{4}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.png")


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "mysql"])
@settings(
    deadline=None,
    max_examples=25,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(prompt=PROMPTS)
@example(prompt="../../../../etc/passwd")
@example(prompt="/etc/passwd")
@example(prompt="C:\\windows\\con.png")
@example(prompt=".hidden; rm -rf $(HOME) `id`")
@example(prompt='a"; filename="evil.html')
@example(prompt="a\r\nSet-Cookie: b=c\r\n\r\n<script>")
@example(prompt="\u202egnp.exe \u200f\u200e\ufeff")
@example(prompt="e\u0301 \u1e9b\u0323 \ufdfa\ufb2c\u0958\U0001d15e")
@example(prompt="🏳️‍🌈👩🏽‍🚀🦊" * 9)
@example(prompt="名前" * 20_000 + "x")
@example(prompt="🦊" * 32_000)
@example(prompt="%00%2e%2e%2f {0} ${x} %s :name ?")
async def test_any_prompt_comes_back_equal(
    request: pytest.FixtureRequest,
    make_settings: MakeSettings,
    tmp_path: Path,
    database: str,
    prompt: str,
) -> None:
    url = request.getfixturevalue(f"{database}_url")
    async with open_client(make_settings(database_url=url, generator="sketch")) as client:
        made = await create(client, prompt)
        if made is None:
            return
        path = f"/image/{made['guid']}"
        assert (await client.get(path)).json() == made
        content = await client.get(f"{path}/content")
    async with open_client(make_settings(database_url=url, generator="sketch")) as client:
        assert (await client.get(path)).json() == made  # not from a cache

    assert made["prompt"] == prompt
    name = made["filename"]
    assert len(name.encode()) <= 255
    header = content.headers["content-disposition"]
    assert header.isascii()
    assert header.isprintable()
    assert name in {header.split('"')[1], unquote(header.partition("filename*=UTF-8''")[2])}
    folder = tmp_path / "images"
    files = {
        str(each.relative_to(folder))
        for each in folder.rglob("*")
        if each.is_file() and each.suffix != ".json"
    }
    assert all(PATH.fullmatch(each) for each in files)
    assert not {each.name for each in tmp_path.iterdir()} - {
        "images",
        "pixyproxy.db",
        "pixyproxy.db-shm",
        "pixyproxy.db-wal",
    }


async def create(client: httpx2.AsyncClient, prompt: str) -> dict | None:
    response = await client.post("/image", json={"prompt": prompt, "size": "64x64"})
    if len(prompt) > 32_000:
        assert response.status_code == 422
        return None
    assert response.status_code == 201, response.text
    made: dict = response.json()
    return made


async def test_the_longest_prompt_fits_in_the_largest_body(make_settings: MakeSettings) -> None:
    escaped = b'{"prompt": "' + b"\\ud83e\\udd8a" * 32_000 + b'", "size": "64x64"}'
    async with open_client(make_settings()) as client:
        headers = {"Content-Type": "application/json"}
        response = await client.post("/image", content=escaped, headers=headers)

    assert response.status_code == 201
    assert response.json()["prompt"] == "🦊" * 32_000
