"""Case files are read, and every mistake in one is said with its file, line, case and field."""

from pathlib import Path

import pytest

from graders import ConfigurationError, Sample
from runtime.cases import CaseFile, find_case_files, load_cases
from runtime.cases.model import Expectation, WantedFailure, WantedNumber
from runtime.data.grader_file import GraderFile

GRADER = 'grader: {type: string_check, input: "{{sample.output_text}}", reference: "{{item.answer}}", operation: eq}\n'
ONE_CASE = GRADER + "cases:\n  - name: one\n    sample: x\n"


def load(folder: Path, text: str, name: str = "a.cases.yaml") -> CaseFile:
    path = folder / name
    path.write_text(text)
    return load_cases(path, GraderFile)


def mistakes(folder: Path, text: str, name: str = "a.cases.yaml") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text, name)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


def test_a_yaml_file_says_what_its_cases_are(tmp_path: Path) -> None:
    (tmp_path / "exact.json").write_text('{"type": "string_check"}')
    file = load(
        tmp_path,
        """\
graders: {exact: exact.json, judged: {type: score_model}}
item: {answer: a, level: 1}
judge: [0.5]
cases:
  - name: good
    grader: exact
    item: {level: 2}
    sample: {output_text: a, model: m}
    expect: 1
  - grader: judged
    sample: b
    judge: {m: [{result: 1}]}
    expect:
      reward: {at_least: 0.5, at_most: 1}
      passed: true
      failure: {kind: other_error, caused_by: grader, message: oh}
      sub_rewards: {x: {about: 0.1, within: 0.01}, y: null}
      deterministic: true
      unchanged_by: [white space, letter_case]
order:
  - good > case 2
  - [good, case 2]
  - good >= case 2
""",
    )
    good, second = file.cases
    assert file.graders["exact"].config == {"type": "string_check"}
    assert file.graders["judged"].config == {"name": "judged", "type": "score_model"}
    assert (good.name, good.line, good.grader) == ("good", 5, "exact")
    assert good.item == {"answer": "a", "level": 2}
    assert good.sample == Sample("a", model="m")
    assert good.expect == Expectation(reward=WantedNumber(1.0))
    assert good.answers == [0.5]
    assert (second.name, second.line, second.answers) == ("case 2", 10, {"m": [{"result": 1}]})
    assert second.expect == Expectation(
        reward=WantedNumber(at_least=0.5, at_most=1.0),
        passed=True,
        failure=WantedFailure("other_error", "grader", "oh"),
        sub_rewards={"x": WantedNumber(0.1, 0.01), "y": WantedNumber(ungraded=True)},
        deterministic=True,
        unchanged_by=("white_space", "letter_case"),
    )
    assert [list(order.pairs()) for order in file.orders] == [
        [("good", "case 2", True)],
        [("good", "case 2", True)],
        [("good", "case 2", False)],
    ]
    assert file.recorded_path == tmp_path / "a.recorded.json"


def test_a_jsonl_file_has_a_head_and_a_case_on_each_further_line(tmp_path: Path) -> None:
    file = load(
        tmp_path,
        '{"grader": {"type": "x"}, "item": {"a": 1}}\n\n{"name": "n", "sample": "s", "expect": 0.5}\n',
        "a.cases.jsonl",
    )
    (case,) = file.cases
    assert (case.name, case.line, case.item) == ("n", 3, {"a": 1})
    assert case.expect == Expectation(reward=WantedNumber(0.5))


def test_a_source_in_a_file_beside_is_read_for_a_grader_in_the_case_file_too(tmp_path: Path) -> None:
    (tmp_path / "grade.py").write_text("def grade(sample, item): return 1.0\n")
    text = "grader: {type: python, source: {file: grade.py}}\ncases: [{sample: x, expect: 1}]\n"
    assert load(tmp_path, text).graders["grader"].config["source"] == "def grade(sample, item): return 1.0\n"
    wrong = mistakes(tmp_path, text.replace("grade.py", "nope.py"))
    assert wrong == ["a.cases.yaml:1: grader.source: cannot read nope.py: No such file or directory"]


def test_directories_are_searched_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("b/x.cases.jsonl", "b/a.cases.yml", ".venv/c.cases.yaml", "b/cases.yaml", "z.cases.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert find_case_files([tmp_path]) == [
        tmp_path / "b/a.cases.yml",
        tmp_path / "b/x.cases.jsonl",
        tmp_path / "z.cases.yaml",
    ]
    assert find_case_files([tmp_path / "b/cases.yaml"]) == [tmp_path / "b/cases.yaml"]


def test_paths_without_case_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no case file in .*; they are named \*\.cases\.yaml"):
        find_case_files([tmp_path])
    with pytest.raises(ConfigurationError, match="there is no file or directory"):
        find_case_files([tmp_path / "nope"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            "a.cases.yaml:1: expected a case file with grader, graders, item, judge, cases, order; got nothing",
        ),
        ("a: [", "a.cases.yaml:1: not YAML: "),
        ("[" * 700, "a.cases.yaml:1: not YAML: lists and maps are nested more than 64 levels deep"),
        (
            "a:\n  - b: c: d\n",
            "a.cases.yaml:2: not YAML: mapping values are not allowed here; quote a text that has :",
        ),
        ("grader: x\ngrader: y\n", "a.cases.yaml:2: not YAML: found duplicate key"),
        ("item: {{x}}\n", "a.cases.yaml:1: not YAML: found unhashable key; quote a text that has : or #"),
        ("item: {1: x}\n", "a.cases.yaml:1: a key is a text; quote it: '1'"),
        ("item: {d: 2020-01-01}\n", "a.cases.yaml:1: item.d: 2020-01-01 is nothing that JSON has; quote it"),
        ("item: {d: .nan}\n", "a.cases.yaml:1: item.d: nan is nothing that JSON has"),
        (
            "cases: [{sample: x, expect: 1}]\n",
            "a.cases.yaml:1: expected 'grader: FILE.json', or 'graders: {NAME: FILE.json, …}', and not both",
        ),
        (
            "graders: []\ncases: [{sample: x}]\n",
            "a.cases.yaml:1: graders: expected {NAME: FILE.json, …}, got []",
        ),
        (
            "grader: 3\ncases: []\n",
            "a.cases.yaml:1: grader: expected the path of a grader's JSON, or the grader",
        ),
        (
            "grader: no.json\ncases: []\n",
            "a.cases.yaml:1: grader: cannot read no.json: No such file or directory; paths are relative to the case file",
        ),
        (GRADER + "cases: []\n", "a.cases.yaml:2: cases: expected a list with at least one case"),
        (GRADER + "item: []\n", "a.cases.yaml:2: item: expected the dataset item, a map of columns; got []"),
        (
            ONE_CASE,
            "a.cases.yaml:3: case 'one': nothing is expected of it, so it cannot fail; write expect: 1",
        ),
        (
            ONE_CASE + "    expct: 1\n",
            "a.cases.yaml:5: case 'one': expct: unknown key; did you mean 'expect'? a case has name, grader, sample",
        ),
        (GRADER + "cases: [3]\n", "a.cases.yaml:2: case 'case 1': expected a case with name, grader,"),
        (
            GRADER + "cases: [{expect: 1}]\n",
            "a.cases.yaml:2: case 'case 1': expected a 'sample': the answer's text",
        ),
        (
            GRADER + "cases:\n  - {sample: 24, expect: 1}\n",
            "a.cases.yaml:3: case 'case 1': sample: a sample is text",
        ),
        (
            GRADER + "cases:\n  - {name: a, sample: x, expect: 1}\n  - {name: a, sample: x, expect: 1}\n",
            "a.cases.yaml:4: case 'a': name: the case on line 3 has the same name; rename one",
        ),
        (
            "graders:\n  a: {type: x}\n  b: {type: x}\ncases:\n  - {sample: x, expect: 1}\n",
            "a.cases.yaml:5: case 'case 1': grader: expected one of the file's graders (a, b), and the case names none",
        ),
        (
            "graders:\n  a: {type: x}\n  b: {type: x}\ncases:\n  - {sample: x, expect: 1, grader: c}\n",
            "a.cases.yaml:5: case 'case 1': grader: expected one of the file's graders (a, b), not 'c'",
        ),
        (
            ONE_CASE + "    expect: yes\n",
            "a.cases.yaml:5: case 'one': expect.reward: expected a number, null (ungraded)",
        ),
        (
            ONE_CASE + "    expect: {passed: 1}\n",
            "a.cases.yaml:5: case 'one': expect.passed: expected true or false",
        ),
        (
            ONE_CASE + "    expect:\n      reward:\n        atleast: 1\n",
            "a.cases.yaml:7: case 'one': expect.reward.atleast: unknown key; did you mean 'at_least'?",
        ),
        (
            ONE_CASE + "    expect: {reward: {at_least: x}}\n",
            "a.cases.yaml:5: case 'one': expect.reward.at_least: expected a number, got 'x'",
        ),
        (
            ONE_CASE + "    expect: {reward: {about: 1}}\n",
            "a.cases.yaml:5: case 'one': expect.reward: 'about' and 'within' stand together, and without bounds",
        ),
        (
            ONE_CASE + "    expect: {reward: {about: 1, within: -1}}\n",
            "a.cases.yaml:5: case 'one': expect.reward.within: expected a tolerance of 0 or more",
        ),
        (
            ONE_CASE + "    expect: {reward: {at_least: 2, at_most: 1}}\n",
            "a.cases.yaml:5: case 'one': expect.reward: 'at_least' is above 'at_most': no reward can be both",
        ),
        (
            ONE_CASE + "    expect: {sub_rewards: 1}\n",
            "a.cases.yaml:5: case 'one': expect.sub_rewards: expected a map of parts of the reward",
        ),
        (
            ONE_CASE + "    expect: {failure: modle}\n",
            "a.cases.yaml:5: case 'one': expect.failure: did you mean 'model'? expected none, who caused it (model,",
        ),
        (
            ONE_CASE + "    expect: {failure: zzz}\n",
            "a.cases.yaml:5: case 'one': expect.failure: expected none, who",
        ),
        (
            ONE_CASE + "    expect: {failure: {}}\n",
            "a.cases.yaml:5: case 'one': expect.failure: expected none, a cause",
        ),
        (
            ONE_CASE + "    expect: {failure: {kind: x}}\n",
            "a.cases.yaml:5: case 'one': expect.failure.kind: expected one of formula_parse_error,",
        ),
        (
            ONE_CASE + "    expect: {failure: {message: 3}}\n",
            "a.cases.yaml:5: case 'one': expect.failure.message: expected a part of the message, got 3",
        ),
        (
            ONE_CASE + "    expect: {unchanged_by: [fence]}\n",
            "a.cases.yaml:5: case 'one': expect.unchanged_by.0: unknown change 'fence'",
        ),
        (
            ONE_CASE + "    expect: {unchanged_by: 3}\n",
            "a.cases.yaml:5: case 'one': expect.unchanged_by: expected a list of changes, such as [white_space]",
        ),
        (
            ONE_CASE + "    judge: 0.5\n",
            "a.cases.yaml:5: case 'one': judge: expected the judge's answers in order",
        ),
        (
            ONE_CASE + "order: [one > tow]\n",
            "a.cases.yaml:5: order.0: no case is called 'tow'; a name with > in it",
        ),
        (
            ONE_CASE + "order:\n  - one\n",
            "a.cases.yaml:6: order.0: expected at least two cases: good > wrong",
        ),
        (ONE_CASE + "order: 3\n", "a.cases.yaml:5: order: expected a list of orders"),
        (ONE_CASE + "order: [3]\n", "a.cases.yaml:5: order.0: expected good > partial > wrong (or >=)"),
    ],
)
def test_a_mistake_is_said_with_file_line_case_and_field(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text)[0].startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"grader": {"type": "x"}}\n{"sample": \n',
            "a.cases.jsonl:2: not JSON: EOF while parsing a value at column",
        ),
        ('{"cases": []}\n', "a.cases.jsonl:1: 'cases' has no place here: each further line is a case"),
        (
            '{"grader": {"type": "x"}}\n{"sample": "x", "expect": 1}\n{"sample": "x", "expect": 1, "reward": 1}\n',
            "a.cases.jsonl:3: case 'case 2': reward: unknown key; a case has name,",
        ),
        (
            '{"graders": {}}\n{"sample": "x", "expect": 1}\n',
            "a.cases.jsonl:1: graders: expected {NAME: FILE.json, …}",
        ),
    ],
)
def test_a_mistake_in_jsonl_is_said_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text, "a.cases.jsonl")[0].startswith(expected)


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    text = ONE_CASE + "    expect: {passed: 1, reward: x}\norder: 3\n"
    assert [line.split(": expected")[0] for line in mistakes(tmp_path, text)] == [
        "a.cases.yaml:5: case 'one': expect.reward",
        "a.cases.yaml:5: case 'one': expect.passed",
        "a.cases.yaml:6: order",
    ]


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.cases.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigurationError, match="not UTF-8: byte 3; save it as UTF-8"):
        load_cases(tmp_path / "a.cases.yaml", GraderFile)
