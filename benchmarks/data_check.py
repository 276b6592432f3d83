"""How fast training data are checked, and how much memory that takes: 100,000 rows of 2 kB, near duplicates among them.

`python -m benchmarks.data_check [ROWS]` prints rows a second, the megabytes that the process held at most, those before the
first row, and how many of the planted near duplicates were found.
"""

import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from runtime.data.check import check_data

ROWS = 100_000
NEAR_EVERY = 100
"""One row in so many is a near copy of the row before it."""
WORDS = 300
_VOWELS, _CONSONANTS = "aeiou", "bdfgklmnprstvz"


def main() -> None:
    """Write the rows, check them, print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        planted = write(path, rows)
        size = path.stat().st_size
        before = peak_mb()
        start = time.perf_counter()
        report = check_data(path)
        took = time.perf_counter() - start
    found = report.files[0].figures["near_duplicates"]
    print(f"{rows:,} rows of {size / rows:,.0f} bytes: {took:,.1f} s, {rows / took:,.0f} rows/s")
    print(f"peak {peak_mb():,.0f} MB, {before:,.0f} MB before the check; the file has {size / 1e6:,.0f} MB")
    print(f"near duplicates: {found:,} found, {planted:,} planted; {report.findings.errors:,} errors")


def write(path: Path, rows: int) -> int:
    """Write rows for reinforcement fine-tuning; gives how many are near copies."""
    draw = random.Random(7)
    words = [
        "".join(draw.choice(_CONSONANTS) + draw.choice(_VOWELS) for _ in range(draw.randint(2, 3)))
        for _ in range(20_000)
    ]
    planted = 0
    text: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            if number % NEAR_EVERY == NEAR_EVERY - 1:
                text[draw.randrange(len(text))] = draw.choice(words)
                planted += 1
            else:
                text = draw.choices(words, k=WORDS)
            prompt = f"Count the words of this text.\n{' '.join(text)}"
            row = {
                "messages": [{"role": "user", "content": prompt}],
                "answer": str(draw.randint(1, 999)),
                "id": number,
            }
            file.write(json.dumps(row) + "\n")
    return planted


def peak_mb() -> float:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
