import time

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


def test_what_takes_all_of_the_cache_is_kept() -> None:
    cache = make_cache()
    cache.put("a", 0, size=60)
    cache.put("b", 1, size=100)
    assert kept(cache, "ab") == "b"


def test_what_is_too_old_for_the_asker_is_not_given() -> None:
    cache = make_cache()
    cache.put("new", 0, size=1)
    cache.put("old", 1, size=1, since=time.monotonic() - 60)
    assert cache.get("new", max_age_s=30) == 0
    assert cache.get("old", max_age_s=30) is None
    assert cache.get("old", max_age_s=90) == 1
    assert cache.get("old") == 1


def test_dropping_what_is_not_there_leaves_the_room_as_it_is() -> None:
    cache = make_cache()
    for _ in range(3):
        cache.drop("nothing")
    cache.put("a", 0, size=60)
    cache.put("b", 1, size=40)
    assert kept(cache, "ab") == "ab"
    cache.put("c", 2, size=1)
    assert kept(cache, "abc") == "bc"


def test_those_that_are_meant_are_dropped_with_their_size() -> None:
    cache = make_cache()
    for number, key in enumerate("abc"):
        cache.put(key, number, size=33)
    cache.drop_where(lambda key: key != "b")
    assert kept(cache, "abc") == "b"
    cache.put("d", 3, size=67)
    assert kept(cache, "bd") == "bd"
