"""Sound files of every format have no errors, and are recognised."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.data.check import check_data
from runtime.data.formats import FORMATS
from tests.runtime.data.sound_rows import SOUND, Row

NAMES = {
    "sft_system": "sft",
    "sft_parts": "sft",
    "sft_weights": "sft",
    "sft_tools": "sft",
    "sft_last_call": "sft",
    "sft_prompt_completion": "sft-trl",
    "sft_text": "sft-trl",
    "dpo_trl": "dpo-trl",
    "dpo_trl_messages": "dpo-trl",
    "google_sft": "google-sft",
    "google_preference": "google-dpo",
    "bedrock_sft": "bedrock-sft",
    "bedrock_dpo": "bedrock-dpo",
    "rft_developer": "rft",
    "rows_samples": "rows",
}


@pytest.mark.few(12)
@pytest.mark.parametrize("make", SOUND, ids=lambda make: make.__name__)
def test_a_sound_file_has_no_error_and_no_warning(make: Callable[[int], Row], tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    count = 100 if make.__name__ == "bedrock" else 24
    file.write_text("".join(f"{json.dumps(make(number))}\n" for number in range(count)))
    report = check_data(file)
    assert report.files[0].format == NAMES.get(make.__name__, make.__name__)
    assert [(group.first.code, group.first.message) for group in report.findings] == []


def test_there_are_twenty_sound_files_and_one_of_each_format() -> None:
    assert len(SOUND) >= 20
    assert {each.name for each in FORMATS} == {NAMES.get(make.__name__, make.__name__) for make in SOUND}
