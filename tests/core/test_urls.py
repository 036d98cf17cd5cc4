"""Where things of this service are found."""

from pixyproxy.core.urls import Urls

GUID = "5f2b8c1e-9d3a-4e57-8b60-2f1c7a9e4d05"


def test_absolute_urls_begin_with_the_base() -> None:
    urls = Urls("https://here.example/images")
    assert urls.image(GUID) == f"https://here.example/images/image/{GUID}"
    assert urls.content(GUID) == f"https://here.example/images/image/{GUID}/content"
    assert urls.content(GUID, "width=64").endswith(f"/image/{GUID}/content?width=64")
    assert urls.generation(GUID) == f"https://here.example/images/generation/{GUID}"
    assert urls.graphql == "https://here.example/images/graphql"
    assert urls.docs == "https://here.example/images/docs"


def test_without_a_base_they_are_paths() -> None:
    assert Urls().image(GUID) == f"/image/{GUID}"
    assert Urls().generation(GUID) == f"/generation/{GUID}"
