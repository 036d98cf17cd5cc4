"""What can be chosen of each model."""

import json

from tests.conftest import MakeSettings, open_client


async def test_models_are_the_same_in_both_faces(make_settings: MakeSettings) -> None:
    query = """{ models { name isDefault sizes qualities styles backgrounds outputFormats
        moderations maxImages maxPromptChars
        freeSize { minEdge maxEdge maxPixels multipleOf maxAspect } } }"""
    for settings, count in [
        (make_settings(generator="sketch"), 1),
        (make_settings(generator="openai", openai_api_key="sk-0123456789"), 8),
        (make_settings(openai_base_url="http://127.0.0.1:1/v1", model="my-own"), 1),
    ]:
        async with open_client(settings) as client:
            rest = (await client.get("/models")).json()
            graphql = (await client.post("/graphql", json={"query": query})).json()["data"][
                "models"
            ]
        assert len(rest) == count
        assert [each["is_default"] for each in rest] == [True] + [False] * (count - 1)
        plain = json.dumps(rest).replace("_", "").lower()
        assert json.loads(plain) == json.loads(json.dumps(graphql).lower())
    assert rest[0]["name"] == "my-own"
    assert rest[0]["sizes"] is None
