from pixyproxy.core.cache import BoundedCache


def make_cache(max_entries: int = 3, max_bytes: int = 100) -> BoundedCache[str, int]:
    return BoundedCache(max_entries=max_entries, max_bytes=max_bytes)


def kept(cache: BoundedCache[str, int], keys: str) -> str:
    return "".join(key for key in keys if cache.get(key) is not None)


def test_the_entry_not_used_for_longest_goes_first() -> None:
    cache = make_cache()
    for number, key in enumerate("abc"):
        cache.put(key, number, size=1)
    assert cache.get("a") == 0
    cache.put("d", 3, size=1)
    assert kept(cache, "abcd") == "acd"


def test_bytes_are_bounded_too() -> None:
    cache = make_cache()
    cache.put("a", 0, size=60)
    cache.put("b", 1, size=60)
    assert kept(cache, "ab") == "b"
    cache.put("c", 2, size=40)
    assert kept(cache, "bc") == "bc"


def test_an_entry_put_again_counts_once() -> None:
    cache = make_cache()
    for number in range(10):
        cache.put("a", number, size=60)
    cache.put("b", 1, size=40)
    assert cache.get("a") == 9
    assert kept(cache, "ab") == "ab"


def test_what_is_larger_than_the_cache_drops_nothing() -> None:
    cache = make_cache()
    cache.put("a", 0, size=60)
    cache.put("b", 1, size=101)
    assert kept(cache, "ab") == "a"
