"""What a server understands, found out once: how it can be made to answer in JSON, and what it calls things."""

from dataclasses import dataclass, replace

from runtime.settings.judges import Structure

REFUSALS = frozenset({400, 404, 415, 422, 501})
"""Statuses by which a server may say that it does not know a parameter; any other has another reason."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server is talked to.

    Attributes:
        structure: A strict JSON schema, JSON mode, or nothing but words.
        has_developer: Whether it knows the role `developer`; otherwise such a message is sent as `system`.
        limit: What it calls the limit of an answer's tokens.
        has_bounds: Whether it takes `minimum` and `maximum` in a schema.
    """

    structure: Structure = "schema"
    has_developer: bool = True
    limit: str = "max_completion_tokens"
    has_bounds: bool = True

    def after(self, words: str, *, bounded: bool) -> "Dialect | None":
        """The next dialect to try after a server refused this one; None if no dialect is left.

        Args:
            words: The server's message, which may name the parameter that it does not know.
            bounded: Whether the schema of the question has bounds.
        """
        if self.limit in words and self.limit == "max_completion_tokens":
            return replace(self, limit="max_tokens")
        if self.has_developer and ("developer" in words or "role" in words.lower()):
            return replace(self, has_developer=False)
        if self.structure == "schema" and bounded and self.has_bounds:
            return replace(self, has_bounds=False)
        if self.structure == "schema":
            return replace(self, structure="json")
        if self.structure == "json":
            return replace(self, structure="text")
        return None
