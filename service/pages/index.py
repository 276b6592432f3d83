"""`/`: what this service is and where its parts are, as a page."""

from runtime.data.html_page import element, page, table

_PLACES = (
    ("/docs", "the HTTP API, every operation with its parameters and answers"),
    ("/readyz", "whether the service takes requests"),
    ("/v1/models", "judges and named graders (needs a key where the service has keys)"),
    ("/v1/evals", "evals; the report_url of a run leads to its page (the same)"),
    ("/metrics", "figures for Prometheus (the same)"),
)


def index(version: str) -> bytes:
    """The first page.

    Args:
        version: Of rft-graders.
    """
    return page(
        f"rft-graders {version}",
        element(
            "p",
            "This service grades samples of models over HTTP. Official clients of OpenAI take the address of this page, with ",
            element("code", "/v1"),
            " behind it, as base_url.",
        ),
        table((), ([element("a", path, href=path), said] for path, said in _PLACES)),
    )
