"""What the service keeps between requests and between its processes: rows in a database, contents in a directory.

`Store` is the database, a SQLite file or PostgreSQL, whose tables `migrations` brings up to date at every start. `Files` are
the files that clients have uploaded, `Evals` what is measured of models, `Claims` which process measures it, `NamedGraders`
the graders that have a name, `GraderSums` what is summed up of their gradings, `Answers` those that are kept for requests
that come again.
"""

from service.store.answers import Answers
from service.store.claims import Claims
from service.store.database import Store
from service.store.evals import Evals
from service.store.files import PURPOSES, Files, Part
from service.store.graders import NamedGraders
from service.store.sums import GraderSums
from service.store.tables import Base, File

__all__ = [
    "PURPOSES",
    "Answers",
    "Base",
    "Claims",
    "Evals",
    "File",
    "Files",
    "GraderSums",
    "NamedGraders",
    "Part",
    "Store",
]
