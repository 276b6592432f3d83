"""Templates fill in what they name, once, and nothing else."""

import json
import math
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, GradingError, Sample, Template, TemplateError
from graders.paths import has_path, walk
from graders.samples.sample_column import SampleColumn
from graders.template import MAX_RENDERED, as_text
from tests.strategies import any_str, rows, steps

SAMPLE = Sample("blue")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{item.a}", "{item.a}"),
        ("}}", "}}"),
        ("{{item.a}}", "x"),
        ("{{ item.a }}", "x"),
        ("{{\titem.a\n}}", "x"),
        ("<{{item.a}}>", "<x>"),
        ("{{item.a}}{{item.a}}", "xx"),
        ("{{item.a}}}}", "x}}"),
        ('{"v":{{item.n}}}', '{"v":5}'),
        ("{{sample.output_text}} or {{item.a}}", "blue or x"),
        ("{{item.none}}", "null"),
        ("{{item.yes}}", "true"),
        ("{{item.n}}", "5"),
        ("{{item.half}}", "0.5"),
        ("{{item.list}}", '[1,{"é":"\\"q\\""}]'),
        ("{{item.empty}}", ""),
        ("{{item.nul}}", "a\0b"),
        ("{{item.lone}}", "\ud800"),
    ],
)
def test_a_string_is_inserted_as_it_is_and_anything_else_as_compact_json(source: str, text: str) -> None:
    item = {
        "a": "x",
        "none": None,
        "yes": True,
        "n": 5,
        "half": 0.5,
        "list": [1, {"é": '"q"'}],
        "empty": "",
        "nul": "a\0b",
        "lone": "\ud800",
    }
    assert Template(source)(SAMPLE, item) == text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{", "the '{{' at character 0 has no '}}'; close it"),
        ("a {{item.a", "the '{{' at character 2 has no '}}'"),
        ("}}{{", "the '{{' at character 2 has no '}}'"),
        ("{{}}", "the '{{ }}' at character 0 is empty; name a variable"),
        ("{{ }}", "is empty"),
        ("{{{item.a}}}", "{{{item.a}} must begin with .*; a variable has two braces on each side"),
        ("{{ {{item.a}} }}", "two braces on each side"),
        ("{{question}}", "must begin with 'item.' or 'sample.'"),
    ],
)
def test_what_does_not_parse_is_found_before_anything_is_graded(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message.replace("{", r"\{").replace("}", r"\}")):
        Template(source)


@pytest.mark.parametrize(
    "inserted", ["{{item.secret}}", "{{", "}}", "{{item.text}}", "{{sample.output_text}}"]
)
def test_what_was_inserted_is_never_expanded_again(inserted: str) -> None:
    template = Template("<{{item.text}}|{{sample.output_text}}>")
    item = {"text": inserted, "secret": "S3CRET"}
    assert template(Sample(inserted), item) == f"<{inserted}|{inserted}>"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "item.a: expected a finite number, got nan"),
        ([math.inf], "item.a.0: expected a finite number, got inf"),
        (10**5000, "item.a: expected a whole number of at most 4,300 digits"),
        ({"b": [1, object()]}, "item.a.b.1: expected .* got object"),
        (b"x", "item.a: expected .* got bytes"),
        ({"b": {1}}, "item.a.b: expected .* got set"),
        (1j, "item.a: expected .* got complex"),
        ({(1, 2): 3}, "keys must be"),
    ],
    ids=["nan", "inf", "huge", "object", "bytes", "set", "complex", "keys"],
)
def test_a_value_that_is_no_json_is_a_failure_of_the_grader(value: object, why: str) -> None:
    with pytest.raises(GradingError, match=f"a template's value is not JSON: .*{why}") as caught:
        Template("{{item.a}}")(SAMPLE, {"a": value})
    assert (caught.value.failure.kind, caught.value.failure.caused_by) == (
        FailureKind.INVALID_VARIABLE,
        "grader",
    )


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_deep_values_are_rendered_or_are_a_failure() -> None:
    assert Template("{{item.a}}")(SAMPLE, deep(300)) == '{"a":' * 299 + "{}" + "}" * 299
    with pytest.raises(GradingError, match="nested too deep"):
        Template("{{item.a}}")(SAMPLE, deep(100_000))


def test_a_text_that_grows_too_long_is_a_failure() -> None:
    with pytest.raises(GradingError, match="a template renders to more than 2,000,000 characters"):
        Template("{{item.a}}" * 9)(SAMPLE, {"a": "x" * (MAX_RENDERED // 8)})


def test_a_whole_reference_keeps_its_type() -> None:
    item = {"a": [1, 2]}
    assert Template("{{item.a}}").value(SAMPLE, item) == [1, 2]
    assert Template(" {{item.a}}").value(SAMPLE, item) == " [1,2]"
    assert Template("none").value(SAMPLE, item) == "none"


def test_a_template_knows_what_it_mentions() -> None:
    template = Template("{{item.a[0].b}} {{ sample.output_json[*] }}")
    assert [tuple(reference) for reference in template.references] == [
        ("item.a[0].b", "item", ("a", 0, "b"), True),
        ("sample.output_json[*]", "sample", ("output_json",), False),
    ]
    assert template.mentions("sample")
    assert not Template("{{item.a}}").mentions("sample")
    assert repr(Template("{{item.a}}")) == "Template('{{item.a}}')"


@given(any_str())
def test_any_text_compiles_or_is_a_template_error(source: str) -> None:
    try:
        template = Template(source)
    except TemplateError:
        return
    assert "{{" in source or template(SAMPLE, {}) == source


@given(st.text("{} .item[]samploutx0*'é\0"))
def test_any_text_of_braces_and_names_compiles_or_is_a_template_error(source: str) -> None:
    try:
        template = Template(source)
    except TemplateError:
        assert "{{" in source
        return
    with suppress(GradingError):
        template(SAMPLE, {})


@given(any_str().filter(lambda text: "{{" not in text))
def test_text_without_double_braces_stays_as_it_is(text: str) -> None:
    assert Template(text)(SAMPLE, {}) == text


def spelled(path: tuple[str | int, ...]) -> str:
    return "item" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def naive(source: str, item: dict[str, Any], paths: dict[str, tuple[str | int, ...]]) -> str:
    """The template by a regular expression, each reference by walking."""

    def insert(found: re.Match[str]) -> str:
        value = walk(item, paths[found[1]])
        return (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        )

    return re.sub(r"\{\{\s*([^{}]*?)\s*\}\}", insert, source)


texts_between = any_str(8).map(lambda text: text.replace("{", "(").replace("}", ")"))


@given(
    item=rows(),
    pieces=st.lists(st.tuples(texts_between, steps(), st.sampled_from(["", " "])), max_size=4),
    end=texts_between,
)
def test_rendering_is_what_a_naive_reading_gives(
    item: dict[str, Any], pieces: list[tuple[str, tuple[str | int, ...], str]], end: str
) -> None:
    paths = {spelled(path): path for _, path, _ in pieces}
    source = "".join(f"{text}{{{{{pad}{spelled(path)}{pad}}}}}" for text, path, pad in pieces) + end
    template = Template(source)
    if all(has_path(item, path) for path in paths.values()):
        assert template(SAMPLE, item) == naive(source, item, paths)
    else:
        with pytest.raises(GradingError, match="is not there"):
            template(SAMPLE, item)


@given(
    source=st.sampled_from(
        [
            "{{item.a}}", "{{item.b}}", "{{item.a[*]}}", "{{item[0]}}", "{{item.a.b}}", "{{sample.output_text}}",
            "{{sample.output_text[*]}}", "{{sample.output_json}}", "<{{item.a}}>", "text", "{{item}}",
        ]
    ),
    items=st.lists(rows(), max_size=4),
)  # fmt: skip
def test_rendering_many_is_rendering_each(source: str, items: list[dict[str, Any]]) -> None:
    template = Template(source)
    column = SampleColumn([f'"{n}"' for n in range(len(items))])
    try:
        each = [template(sample, item) for sample, item in zip(column, items, strict=True)]
    except GradingError as error:
        with pytest.raises(GradingError, match=re.escape(str(error))):
            template.render_many(column, items)
        return
    assert list(template.render_many(column, items)) == each


@pytest.mark.parametrize("source", ["{{item.a}}", "{{sample.output_text}}"])
def test_a_column_of_texts_is_rendered_without_a_look_at_each_template(source: str) -> None:
    samples = SampleColumn(["x", "y"])
    assert Template(source).render_many(samples, [{"a": "x"}, {"a": "y"}]) == ["x", "y"]


def test_as_text_is_compact_json() -> None:
    assert as_text({"é": [1, None]}) == '{"é":[1,null]}'


def test_a_lone_reference_has_the_same_limit_as_a_text() -> None:
    long = {"long": "x" * (MAX_RENDERED + 1)}
    for source in ("{{item.long}}", "{{item.long}}."):
        with pytest.raises(GradingError, match="renders to more than 2,000,000 characters"):
            Template(source)(Sample(""), long)


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("", True),
        ("{{item.a}} {{sample.output_text}}", True),
        ("{{item.a}} {{item.b[*]}}", False),
        ("{{item..a}}", False),
    ],
)
def test_a_template_is_plain_when_all_its_references_are(source: str, plain: bool) -> None:
    assert Template(source).is_plain is plain


def test_rendering_many_names_the_first_row_that_lacks_the_variable() -> None:
    rows = [{"a": "x"}, {"b": "y"}]
    with pytest.raises(GradingError, match=r"\{\{item.a\}\} is not there: item has b"):
        Template("{{item.a}}").render_many(SampleColumn(["", ""]), rows)
