"""What the service keeps between requests and between its processes: rows in a database, contents in a directory.

`Store` is the database, a SQLite file or PostgreSQL, whose tables `migrations` brings up to date at every start. `Files` are
the files that clients have uploaded, `Evals` what is measured of models.
"""

from service.store.database import Store
from service.store.evals import Evals
from service.store.files import PURPOSES, Files, Part
from service.store.tables import Base, File

__all__ = ["PURPOSES", "Base", "Evals", "File", "Files", "Part", "Store"]
