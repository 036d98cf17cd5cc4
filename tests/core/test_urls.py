"""Where things of this service are found."""

import pytest

from pixyproxy.core.urls import Urls, origin_of

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


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://pixy.example.org/pixy", "https://pixy.example.org"),
        ("https://Pixy.Example.org:443", "https://pixy.example.org"),
        ("http://pixy.example.org:443/", "http://pixy.example.org:443"),
        ("http://bücher.example:8000/x", "http://xn--bcher-kva.example:8000"),
        ("http://[::1]:8000/x", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_spelled_as_browsers_spell_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin
