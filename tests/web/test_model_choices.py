"""What can be chosen of each model."""

import json

from tests.conftest import MakeSettings, open_client


async def test_models_are_the_same_in_both_faces(make_settings: MakeSettings) -> None:
    query = """{ models { name isDefault sizes qualities styles backgrounds outputFormats
        moderations takesExtra maxImages maxPromptChars
        freeSize { minEdge maxEdge maxPixels multipleOf maxAspect } } }"""
    takes_extra = []
    for settings in [
        make_settings(generator="sketch"),
        make_settings(generator="openai", openai_api_key="sk-0123456789"),
        make_settings(openai_base_url="http://127.0.0.1:1/v1", model="my-own"),
    ]:
        async with open_client(settings) as client:
            rest = (await client.get("/models")).json()
            offered = (await client.get("/v1/models")).json()["data"]
            graphql = (await client.post("/graphql", json={"query": query})).json()["data"][
                "models"
            ]
        assert [each["name"] for each in rest] == [each["id"] for each in offered]
        assert [each["is_default"] for each in rest] == [True] + [False] * (len(rest) - 1)
        takes_extra.append({each["takes_extra"] for each in rest})
        plain = json.dumps(rest).replace("_", "").lower()
        assert json.loads(plain) == json.loads(json.dumps(graphql).lower())
    assert rest[0]["name"] == "my-own"
    assert rest[0]["sizes"] is None
    assert takes_extra == [{False}, {False}, {True}]
