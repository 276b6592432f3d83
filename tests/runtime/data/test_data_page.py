"""docs/data.md names every code of a finding, and every format."""

import re
from pathlib import Path

from runtime.data.formats import FORMATS

ROOT = Path(__file__).parents[3]
CODE = re.compile(r'\b(?:Fault|Finding)\(\s*"([a-z-]+)"')


def test_every_code_and_every_format_is_documented() -> None:
    page = (ROOT / "docs/data.md").read_text()
    sources = [*(ROOT / "runtime/data/formats").glob("*.py"), *(ROOT / "runtime/data/check").glob("*.py")]
    codes = {code for source in sources for code in CODE.findall(source.read_text())}
    assert len(codes) > 40
    assert sorted(code for code in codes if f"`{code}`" not in page) == []
    assert [each.name for each in FORMATS if f"| `{each.name}` |" not in page] == []
