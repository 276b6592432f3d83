"""How much work a JSON schema of a stranger can make, found out without a value and without compiling it.

A schema applies subschemas to a value in place (`allOf`, `anyOf`, `$ref`, …) and others to the members of the value
(`properties`, `items`, …). Where references meet branches, a few lines apply millions of subschemas to one value:
`d0: allOf [d1, d1]`, `d1: allOf [d2, d2]`, and so on. `measure` counts them before anything is compiled, and refuses:

* a schema of more than `MAX_VALUES` JSON values, or nested more than `MAX_DEPTH` levels deep;
* a reference that leads out of the schema, since nothing is ever fetched, or to a place that does not exist;
* references that lead back to themselves without a member in between, which no check would ever finish;
* subschemas that lead to one another over more than `MAX_CHAIN` levels;
* more than `MAX_EXPANSION` subschemas for one value.

Recursion through members, as in the schema of a tree, is allowed. How much it costs depends on the value, so such a schema is
only checked in a process with a clock (`runtime.schemas.json_schema`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote, urldefrag, urljoin

MAX_VALUES = 100_000
"""JSON values of a schema: objects, lists, texts, numbers, constants and keys."""
MAX_DEPTH = 100
"""Levels of objects and lists inside one another in the text of a schema."""
MAX_CHAIN = 300
"""Subschemas that lead to one another, by references or by members."""
MAX_EXPANSION = 10_000
"""Subschemas that are applied to one value."""
MAX_STEPS = 2_000_000
"""Steps of this measurement; a schema that takes more is too interwoven to be checked."""

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")
_NAMED = ("dependentSchemas", "dependencies")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_APPLYING = frozenset(
    {
        *_LISTS,
        *_SINGLE,
        *_NAMED,
        *(
            "$dynamicRef",
            "$recursiveRef",
            "properties",
            "patternProperties",
            "additionalProperties",
            "propertyNames",
        ),
        *("unevaluatedProperties", "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"),
    }
)
"""Keywords besides `$ref` that have subschemas."""
_PUBLISHED = ("http://json-schema.org/", "https://json-schema.org/")
"""The published schemas of schemas, which the validator has with it."""

Schema: TypeAlias = Mapping[str, Any] | bool


class SchemaError(ValueError):
    """A schema cannot be used; the message begins with the place, as a JSON pointer: `#/$defs/a: …`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What checking one value costs at most.

    Attributes:
        expansion: Subschemas that are applied to any one value, recursion left out.
        largest: JSON values of the largest subschema, those of the subschemas inside it left out.
        values: JSON values of the whole schema.
        is_recursive: Whether a subschema leads back to itself through members, or to a published schema of schemas.
        reconsiders: Whether it has `unevaluatedProperties` or `unevaluatedItems`, which apply subschemas again.
        patterns: The regular expressions in it.
    """

    expansion: int
    largest: int
    values: int
    is_recursive: bool
    reconsiders: bool
    patterns: tuple[str, ...]


def measure(schema: Schema) -> Measure:
    """Count what a schema does to one value.

    Raises:
        SchemaError: When it is beyond one of the bounds above, or is not an object or a boolean.
    """
    index = _Index(schema)
    walk = _Walk(index)
    expansion = max([1, *walk.by_depth("")])
    patterns = tuple(index.patterns())
    return Measure(expansion, index.largest(), index.values, walk.is_recursive, index.reconsiders, patterns)


class _Index:
    """Every object of a schema by its JSON pointer, and where its names (`$id`, `$anchor`) lead."""

    def __init__(self, schema: Schema) -> None:
        self.nodes: dict[str, Schema] = {}
        self._bases: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._dynamic: dict[str, list[str]] = {}
        self._own: dict[str, int] = {}
        self.values, self.reconsiders = 0, False
        if not isinstance(schema, Mapping | bool):
            raise SchemaError(f"#: a schema is an object or a boolean, not {type(schema).__name__}")
        self._add_all(schema)

    def _add_all(self, schema: Schema) -> None:
        pending: list[tuple[str, Any, str, str, int]] = [("", schema, "", "", 1)]
        while pending:
            pointer, value, base, owner, depth = pending.pop()
            self.values += 1
            if depth > MAX_DEPTH:
                raise SchemaError(f"{_shown(pointer)}: nested more than {MAX_DEPTH} levels deep")
            if isinstance(value, Mapping):
                base, owner = self._add(pointer, value, base), pointer
                self.values += len(value)
                pending += [
                    (f"{pointer}/{_escaped(str(key))}", inner, base, owner, depth + 1)
                    for key, inner in value.items()
                ]
            elif isinstance(value, list | tuple):
                pending += [
                    (f"{pointer}/{n}", inner, base, owner, depth + 1) for n, inner in enumerate(value)
                ]
            elif isinstance(value, bool):
                self.nodes[pointer] = value
                self._bases[pointer] = base
            self._own[owner] = self._own.get(owner, 0) + 1
            if self.values > MAX_VALUES:
                raise SchemaError(
                    f"#: a schema has at most {MAX_VALUES:,} JSON values, and this one has more"
                )

    def _add(self, pointer: str, node: Mapping[str, Any], base: str) -> str:
        self.nodes[pointer] = node
        self.reconsiders |= "unevaluatedProperties" in node or "unevaluatedItems" in node
        name = node.get("$id", node.get("id"))
        if isinstance(name, str):
            base = _joined(base, name, pointer)
            self._names.setdefault(base, pointer)
        self._bases[pointer] = base
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(anchor := node.get(keyword), str):
                self._names.setdefault(f"{urldefrag(base).url}#{anchor}", pointer)
                if keyword == "$dynamicAnchor":
                    self._dynamic.setdefault(anchor, []).append(pointer)
        if node.get("$recursiveAnchor") is True:
            self._dynamic.setdefault("", []).append(pointer)
        return base

    def largest(self) -> int:
        """JSON values of the largest object with its lists, those of the objects inside it left out."""
        return max(self._own.values())

    def patterns(self) -> Iterator[str]:
        """Every regular expression, and whatever else stands where one would."""
        for node in self.nodes.values():
            if isinstance(node, Mapping):
                if isinstance(pattern := node.get("pattern"), str):
                    yield pattern
                if isinstance(named := node.get("patternProperties"), Mapping):
                    yield from map(str, named)

    def referred(self, pointer: str, keyword: str, reference: str) -> list[str]:
        """Where a reference leads: pointers, none for a published schema of schemas.

        Raises:
            SchemaError: When it leads out of the schema, or nowhere.
        """
        place = f"{pointer}/{keyword}"
        full = _joined(self._bases[pointer], reference, place)
        address, fragment = urldefrag(full)
        dynamic = [] if keyword == "$ref" else self._dynamic.get(fragment, [])
        if (target := self._target(address, fragment, full)) is not None:
            return [target, *(other for other in dynamic if other != target)]
        if address.startswith(_PUBLISHED):
            return []
        if address not in ("", urldefrag(self._bases[""]).url) and address not in self._names:
            raise SchemaError(
                f"{_shown(place)}: {reference[:200]!r} leads out of the schema, and nothing is fetched; "
                "put what it means under '$defs', and refer to it as '#/$defs/…'"
            )
        raise SchemaError(f"{_shown(place)}: {reference[:200]!r} leads nowhere in the schema")

    def meant(self, pointer: str) -> str:
        """Where a subschema leads that is nothing but a reference; otherwise the subschema itself.

        Recursion through members is then found at the subschemas that are referred to, and not at each reference.
        """
        node = self.nodes[pointer]
        reference = node.get("$ref") if isinstance(node, Mapping) and not _APPLYING & node.keys() else None
        targets = self.referred(pointer, "$ref", reference) if isinstance(reference, str) else []
        return targets[0] if targets else pointer

    def _target(self, address: str, fragment: str, full: str) -> str | None:
        if full in self._names:
            return self._names[full]
        root = "" if address in ("", urldefrag(self._bases[""]).url) else self._names.get(address)
        if root is None:
            return None
        if not fragment:
            return root
        target = root + unquote(fragment)
        return target if fragment.startswith("/") and target in self.nodes else None


class _Walk:
    """Counts applications, subschema by subschema; each is counted once."""

    def __init__(self, index: _Index) -> None:
        self._index = index
        self._closures: dict[str, Counter[str]] = {}
        self._depths: dict[str, list[int]] = {}
        self._open: set[str] = set()
        self._chain: list[str] = []
        self._steps = 0
        self.is_recursive = False

    def by_depth(self, pointer: str) -> list[int]:
        """Most subschemas that one value gets, at each depth below a value that the subschema at a pointer is applied to."""
        if (known := self._depths.get(pointer)) is not None:
            return known
        if pointer in self._open:
            self.is_recursive = True
            return []
        self._open.add(pointer)
        closure = self._closure(pointer)
        below: list[int] = []
        for members in self._members(closure):
            counts: list[int] = []
            for member, times in members.items():
                counts = _sum(counts, self.by_depth(member), times)
            below = [max(a, b) for a, b in _pairs(below, counts)]
            self._step(len(members) + len(below), pointer)
        self._open.discard(pointer)
        found = [closure.total(), *below][: MAX_CHAIN + 1]
        if max(found) > MAX_EXPANSION:
            raise SchemaError(_expands(pointer))
        self._depths[pointer] = found
        return found

    def _closure(self, pointer: str) -> Counter[str]:
        """Every subschema that is applied in place, with how often; the first one included."""
        if (known := self._closures.get(pointer)) is not None:
            return known
        if pointer in self._chain:
            raise SchemaError(
                f"{_shown(pointer)}: refers to itself without a member in between, so that no check of it ends"
            )
        if len(self._chain) + len(self._open) > MAX_CHAIN:
            raise SchemaError(f"{_shown(pointer)}: more than {MAX_CHAIN} subschemas lead to this one")
        self._chain.append(pointer)
        closure, total = Counter([pointer]), 1
        for inner in self._in_place(pointer):
            added = self._closure(inner)
            closure.update(added)
            total += added.total()
            self._step(len(added), pointer)
            if total > MAX_EXPANSION:
                raise SchemaError(_expands(pointer))
        self._chain.pop()
        self._closures[pointer] = closure
        return closure

    def _in_place(self, pointer: str) -> Iterator[str]:
        node = self._index.nodes[pointer]
        if not isinstance(node, Mapping):
            return
        for keyword in _LISTS:
            yield from self._listed(pointer, keyword)
        for keyword in _SINGLE:
            yield from self._known(f"{pointer}/{keyword}")
        for keyword in _NAMED:
            yield from (place for _, place in self._named(pointer, keyword))
        for keyword in _REFERENCES:
            if isinstance(reference := node.get(keyword), str):
                targets = self._index.referred(pointer, keyword, reference)
                self.is_recursive |= not targets
                yield from targets

    def _members(self, closure: Counter[str]) -> Iterator[Counter[str]]:
        """For each kind of member of a value: the subschemas that are applied to one of it."""
        places: dict[str | int, Counter[str]] = {}
        others: dict[type, Counter[str]] = {str: Counter(), int: Counter()}
        names = Counter[str]()
        for pointer, times in closure.items():
            own: list[tuple[str | int, str]] = [*self._named(pointer, "properties"), *self._elements(pointer)]
            for place, member in own:
                places.setdefault(place, Counter())[self._index.meant(member)] += times
            for kind, member in self._others(pointer):
                others[kind][self._index.meant(member)] += times
            for member in self._known(f"{pointer}/propertyNames"):
                names[member] += times
            self._step(1 + len(own), pointer)
        for place, members in places.items():
            yield members + others[type(place)]
        yield from (*others.values(), names)

    def _elements(self, pointer: str) -> Iterator[tuple[int, str]]:
        """What is applied to the element of a list at a position."""
        for keyword in ("prefixItems", "items"):
            yield from enumerate(self._listed(pointer, keyword))

    def _others(self, pointer: str) -> Iterator[tuple[type, str]]:
        """What may be applied to a member whatever its place, with the type of places: names or positions."""
        for _, member in self._named(pointer, "patternProperties"):
            yield str, member
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            for member in self._known(f"{pointer}/{keyword}"):
                yield str, member
        for keyword in ("items", "additionalItems", "unevaluatedItems", "contains"):
            for member in self._known(f"{pointer}/{keyword}"):
                yield int, member

    def _known(self, pointer: str) -> Iterator[str]:
        if pointer in self._index.nodes:
            yield pointer

    def _listed(self, pointer: str, keyword: str) -> Iterator[str]:
        node = self._index.nodes[pointer]
        listed = node.get(keyword) if isinstance(node, Mapping) else None
        if isinstance(listed, list | tuple):
            for number in range(len(listed)):
                yield from self._known(f"{pointer}/{keyword}/{number}")

    def _named(self, pointer: str, keyword: str) -> Iterator[tuple[str, str]]:
        node = self._index.nodes[pointer]
        named = node.get(keyword) if isinstance(node, Mapping) else None
        if isinstance(named, Mapping):
            for name in map(str, named):
                for place in self._known(f"{pointer}/{keyword}/{_escaped(name)}"):
                    yield name, place

    def _step(self, count: int, pointer: str) -> None:
        self._steps += count
        if self._steps > MAX_STEPS:
            raise SchemaError(
                f"{_shown(pointer)}: its subschemas refer to one another in too many ways to be checked"
            )


def _sum(counts: list[int], added: list[int], times: int) -> list[int]:
    return [min(a + times * b, MAX_EXPANSION + 1) for a, b in _pairs(counts, added)]


def _pairs(first: list[int], second: list[int]) -> Iterator[tuple[int, int]]:
    for depth in range(max(len(first), len(second))):
        yield (
            first[depth] if depth < len(first) else 0,
            second[depth] if depth < len(second) else 0,
        )


def _expands(pointer: str) -> str:
    return (
        f"{_shown(pointer)}: expands to more than {MAX_EXPANSION:,} subschemas for one value, "
        "since references and branches multiply; refer to each subschema once"
    )


def _joined(base: str, reference: str, pointer: str) -> str:
    try:
        joined = urljoin(base, reference)
        urldefrag(joined)  # it refuses some addresses that joining takes
    except ValueError as error:
        raise SchemaError(f"{_shown(pointer)}: {reference[:200]!r} is not a URI reference: {error}") from None
    return joined


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _shown(pointer: str) -> str:
    return f"#{pointer if len(pointer) <= 300 else pointer[:300] + '…'}"
