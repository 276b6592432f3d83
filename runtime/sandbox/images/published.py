"""Images that are published elsewhere, and what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """What an image of a published name holds.

    Attributes:
        packages: Distributions with their versions, as requirements.
        nltk_data: Paths of NLTK's corpora and models; the last part of each is what NLTK's downloader calls it.
    """

    packages: tuple[str, ...]
    nltk_data: tuple[str, ...] = ()


PUBLISHED: Mapping[str, PublishedImage] = {
    "2025-05-08": PublishedImage(
        packages=(
            "numpy==2.2.4",
            "scipy==1.15.2",
            "sympy==1.13.3",
            "pandas==2.2.3",
            "rapidfuzz==3.10.1",
            "scikit-learn==1.6.1",
            "rouge-score==0.1.2",
            "deepdiff==8.4.2",
            "jsonschema==4.23.0",
            "pydantic==2.10.6",
            "pyyaml==6.0.2",
            "nltk==3.9.1",
            "sqlparse==0.5.3",
            "rdkit==2024.9.6",
            "scikit-bio==0.6.3",
            "ast-grep-py==0.36.2",
        ),
        nltk_data=(
            "tokenizers/punkt",
            "corpora/stopwords",
            "corpora/wordnet",
            "corpora/omw-1.4",
            "corpora/names",
        ),
    )
}
"""By the name that a grader's `image_tag` gives. Source: the OpenAI graders guide."""
