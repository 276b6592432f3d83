"""A bounded cache never holds more bytes than it may, and keeps what was used last."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.concurrency.bounded_cache import ENTRY_BYTES, BoundedCache

_steps = st.lists(
    st.tuples(st.sampled_from(["put", "get", "pop"]), st.integers(0, 6), st.integers(0, 3 * ENTRY_BYTES))
)


@given(_steps, st.integers(0, 6 * ENTRY_BYTES))
def test_it_is_the_list_of_what_was_used_last_cut_at_its_size(
    steps: list[tuple[str, int, int]], most: int
) -> None:
    cache: BoundedCache[int, tuple[int, int]] = BoundedCache(most)
    model: list[tuple[int, tuple[int, int]]] = []
    for number, (step, key, size) in enumerate(steps):
        known = dict(model)
        if step == "get":
            assert cache.get(key) == known.get(key)
            if key in known:
                model = [pair for pair in model if pair[0] != key] + [(key, known[key])]
        else:
            model = [pair for pair in model if pair[0] != key]
        if step == "pop":
            cache.pop(key)
        if step == "put":
            cache.put(key, (number, size), size)
            if size + ENTRY_BYTES <= most:
                model.append((key, (number, size)))
        while sum(held + ENTRY_BYTES for _, (_, held) in model) > most:
            del model[0]
        assert cache.keys() == [key for key, _ in model]
        assert cache.held == sum(held + ENTRY_BYTES for _, (_, held) in model) <= most
        assert len(cache) == len(model)
        assert all(key in cache for key, _ in model)


def test_what_is_larger_than_the_whole_is_not_kept_and_drops_nothing_else() -> None:
    cache: BoundedCache[str, str] = BoundedCache(2 * ENTRY_BYTES + 10)
    cache.put("a", "kept", 5)
    cache.put("b", "too large", 3 * ENTRY_BYTES)
    assert cache.keys() == ["a"]
    cache.put("a", "too large now", 3 * ENTRY_BYTES)
    assert (cache.keys(), cache.held) == ([], 0)
