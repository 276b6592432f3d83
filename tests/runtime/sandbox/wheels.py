"""Wheels made on the spot, so that images can be built without a package index."""

import zipfile
from pathlib import Path


def wheel(
    directory: Path, name: str, version: str, modules: dict[str, str], *, tag: str = "py3-none-any"
) -> str:
    """Make one; gives the requirement that names it.

    Args:
        directory: Where to.
        name: The distribution's.
        version: Its version.
        modules: Texts by file name.
        tag: The Pythons that it is for.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    files = {
        **modules,
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = f"{stem}.dist-info/RECORD"
    files[record] = "".join(f"{file},,\n" for file in [*files, record])
    path = directory / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return f"{name} @ {path.as_uri()}"
