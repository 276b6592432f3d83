"""What a model wrote is split into its reasoning and its answer, whatever tags it uses and whatever its answer quotes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.samples.reasoning import answers, split
from tests.strategies import any_str

FINAL = "<|start|>assistant<|channel|>final<|message|>"
CODE = "```python\nprint(7)\n```"


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>17</think>42", "17", "42"),
        ("<think>\n17\n</think>\n\n42\n", "17", "42"),
        ("`a` <think>17</think>42", "17", "`a` 42"),
        ("``a` <think>17</think>42", "17", "``a` 42"),
        ("  <think>17</think>  42", "17", "42"),
        ("<thinking>17</thinking>42", "17", "42"),
        ("<THINK>17</Think>42", "17", "42"),
        ("<think >17</think >42", "17", "42"),
        ('<think time="3">17</think>42', "17", "42"),
        ("<thinking>17</think>42", "17", "42"),
        ("<thought>17</thought>42", "17", "42"),
        ("<reasoning>\n17\n</reasoning>\n<answer>\n42\n</answer>", "17", "<answer>\n42\n</answer>"),
        ("<scratchpad>17</scratchpad>42", "17", "42"),
        ("<reflection>17</reflection>42", "17", "42"),
        ("<seed:think>17</seed:think>42", "17", "42"),
        ("[THINK]17[/THINK]42", "17", "42"),
        ("<|begin_of_thought|>17<|end_of_thought|>42", "17", "42"),
        ("<|START_THINKING|>17<|END_THINKING|>42", "17", "42"),
        ("◁think▷17◁/think▷42", "17", "42"),
        ("<|think|>17<|/think|>42", "17", "42"),
        ("<|thinking|>17<|/thinking|>42", "17", "42"),
        ("<|channel>thought\n17<channel|>42", "17", "42"),
        ("<unused94>thought\n17<unused95>42", "17", "42"),
        ("<longcat_think>17</longcat_think>42", "17", "42"),
        ("<antThinking>17</antThinking>42", "17", "42"),
        ("<inner_thoughts>17</inner_thoughts>42", "17", "42"),
        ("<start_working_out>17<end_working_out><SOLUTION>42</SOLUTION>", "17", "<SOLUTION>42</SOLUTION>"),
        ("<|think_start|>17<|think_end|>42", "17", "42"),
        ("<|begin_think|>17<|end_think|>42", "17", "42"),
        ("<analysis>17</analysis>42", "17", "42"),
        ("<thought_process>17</thought_process>42", "17", "42"),
        ("<cot>17</cot>42", "17", "42"),
        ("<reason>17</reason>42", "17", "42"),
        ("So: <reason>17</reason>42", "17", "So: 42"),
        ("[THINKING]17[/THINKING]42", "17", "42"),
        ("[think]17[/think]42", "17", "42"),
        ("<think\n>17</think\n>42", "17", "42"),
        ("＜think＞17＜/think＞42", "17", "42"),
        ("＜think＞17＜／think＞42", "17", "42"),
        ("17[BEGIN FINAL RESPONSE]\n42\n[END FINAL RESPONSE]", "17", "42"),
        ("<analysis>17", "17", None),
        ("[think]17", "17", None),
        ("<|think_start|>17", "17", None),
        # names that an answer has as well
        ("<think>17</think><analysis>42</analysis>", "17", "<analysis>42</analysis>"),
        ("<think>17</think>see </analysis>42", "17", "see </analysis>42"),
        ("<|channel|>final<|message|><reason>a</reason>42", "", "<reason>a</reason>42"),
        # the prompt opened the thought
        ("17\n</think>\n42", "17", "42"),
        ("17[/THINK]42", "17", "42"),
        ("17</reasoning>42", "17", "42"),
        ("</think>42", "", "42"),
        # several thoughts, and thoughts inside thoughts
        ("<think>1</think>4 <think>7</think>2", "1\n\n7", "4 2"),
        ("4<think>7</think>2", "7", "4\n2"),
        ("<think></think>17</think>42", "17", "42"),
        ("<think>a<think>b</think>17</think>42", "a<think>b\n\n17", "42"),
        ("<thinking>a<reflection>b</reflection>17</thinking>42", "a<reflection>b</reflection>17", "42"),
        # no answer, or an empty one
        ("<think>17", "17", None),
        ("[THINK]17", "17", None),
        ("42 <think>or is it 17", "or is it 17", None),
        ("<think>1</think>42<think>17", "1\n\n17", None),
        ("<think>17</thought>42", "17</thought>42", None),
        ("<think>1" * 1001, "<think>1" * 1001, None),
        ("<think></think>" * 499 + "42", "", "42"),
        ("<think>17</think>", "17", ""),
        ("17</think>", "17", ""),
        # channels
        (f"<|channel|>analysis<|message|>17<|end|>{FINAL}42<|return|>", "17", "42"),
        (f"<|start|>assistant<|channel|>analysis<|message|>17<|end|>{FINAL}42", "17", "42"),
        (f"17<|end|>{FINAL}42", "17", "42"),
        ("<|channel|>analysis 17<|channel|>final<|message|>42", "17", "42"),
        (f"<|channel|>analysis<|message|>1<|end|><|channel|>commentary<|message|>7<|end|>{FINAL}42", "1\n\n7", "42"),
        (f"<|channel|>analysis<|message|>17<|end|>{FINAL}4<|end|>{FINAL}2", "17", "4\n2"),
        ('<|channel|>final <|constrain|>json<|message|>{"a": 42}', "", '{"a": 42}'),
        ("<|channel|>final<|message|>42<|end|>17", "17", "42"),
        ("<|channel|>analysis<|message|>17", "17", None),
        ("<|channel|>analysis<|message|>17<|end|>", "17", None),
        ("<|channel|>analysis<|message|>```\n17<|end|><|channel|>final<|message|>42", "```\n17", "42"),
        ("analysisWe have 17assistantfinal42", "We have 17", "42"),
        ("assistantanalysis\nWe have 17\nassistantfinal\n42", "We have 17", "42"),
        ("analysis\n17\nassistant\nfinal\n42", "17", "42"),
        ("assistant\nanalysis\n17\nassistant\n\nfinal\n42", "17", "42"),
        # what ends a turn
        ("<think>17</think>42<|im_end|>\n", "17", "42"),
        ("42<|im_end|><|endoftext|>", "", "42"),
        ("42</s>", "", "42"),
        ("\ufeff42", "", "42"),
        ("\ufeff<think>17</think>42", "17", "42"),
        # fences in thoughts, and tags in code
        (f"<think>```python\nprint(8)\nno\n</think>\n\n{CODE}", "```python\nprint(8)\nno", CODE),
        (f"I try\n```python\nprint(8)\n</think>\n{CODE}", "I try\n```python\nprint(8)", CODE),
        (f"```\n17<|end|>\n{FINAL}42", "```\n17", "42"),
        ("<think>17</think>```python\ns.split(x)\n<think>\n```", "17", "```python\ns.split(x)\n<think>\n```"),
        ("<think>I write `</think>` and 17", "I write `</think>` and 17", None),
        ('<think>I write "</think>" and 17</think>42', 'I write "</think>" and 17', "42"),
        ("<think>17</think>\n\n    return 42", "17", "    return 42"),
        ("<think>I write `a </think> b` and 17</think>42", "I write `a </think> b` and 17", "42"),
        ("<think>I write `</think>`s and 17</think>`42`", "I write `</think>`s and 17", "`42`"),
        ('<think>I write "</think>"-tags, 17</think>42', 'I write "</think>"-tags, 17', "42"),
        ('<think>"a" “</think>” 17</think>42', '"a" “</think>” 17', "42"),
        ("<think>a ``` b</think>``` 17\n</think>42", "a ``` b</think>``` 17", "42"),
        ("<think>the ` key</think>The ` key is `42", "the ` key", "The ` key is `42"),
        ("<think>a ` (</think>-` 17</think>42", "a ` (</think>-` 17", "42"),
        ('<think>he says "42"</think>"42"', 'he says "42"', '"42"'),
        ("<think>`</think>`` a ` b ``", "`", "`` a ` b ``"),
        ("<think>`</think>`` `a`", "`", "`` `a`"),
        ("<think>`</think>``x`` `a`", "`", "``x`` `a`"),
        (f"<think>`</think>{'`` x ' * 500}`a`", "`", f"{'`` x ' * 500}`a`"),
        # the prompt opened the thought, which leaves code or quotations open
        ("try `a</think>The answer is `42`.", "try `a", "The answer is `42`."),
        (f"I try\n```python\nprint(8)\n```</think>{CODE}", "I try\n```python\nprint(8)\n```", CODE),
        (f"I try\n```python\nprint(8)</think>\n{CODE}", "I try\n```python\nprint(8)", CODE),
        (f"I try\n```python\nprint(8)</think>{CODE}", "I try\n```python\nprint(8)", CODE),
    ],
)  # fmt: skip
def test_the_reasoning_and_the_answer(text: str, reasoning: str, answer: str | None) -> None:
    assert split(text) == (reasoning, answer)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42\n",
        "a <b>bold</b> word [1] ◁",
        "use `<think>` to begin",
        "`<think>…</think>` is a thought",
        "``a ` <think>`` b",
        'the tag "</think>" ends it',
        "“<think>”",
        "```xml\n<think>\n17\n</think>\n```",
        "```xml\n<think>\n</think>\n</think>\n```",
        "```python\nx = a.split('</think>')[-1]\n```\n",
        "```\n  text </think>\n```",
        "~~~\n<think>\n~~~\n",
        "````\n```\n<think>\n````",
        "```\n<think>",
        "<think/> is empty",
        "<thinker>a</thinker>",
        "the marker `<|channel|>analysis` begins it",
        "text <|end|> text",
        "analysis of variance",
        "<s>old</s>",
        "[think]",
        "[Thinking] a [Answer] 42",
        "I [think] so",
        "the `</think>`ends it",
        "use `</think>` and `x`",
        "```</think>``` is the tag",
        "a <reason>b",
        "<no_think>42</no_think>",
        "analysis\nof variance\nassistant\n42",
        "``` a `` <b>",
    ],
)
def test_a_text_without_reasoning_is_its_own_answer(text: str) -> None:
    assert split(text) == ("", text)


PIECES = [
    "<think>", "</think>", "<thinking>", "</reasoning>", "[THINK]", "[/THINK]", "<|channel|>analysis", "<|channel|>final",
    "<|message|>", "<|end|>", "<|start|>assistant", "```", "```python\n", "~~~", "`", '"', "\n", " ", "42", "</s>", "<s>",
    "<|im_end|>", "\ufeff", "analysis", "assistantfinal",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join) | any_str())
def test_any_text_can_be_split_and_nothing_is_made_up(text: str) -> None:
    found = split(text)
    letters = set(text) | {"\n"}
    assert set(found.reasoning) <= letters
    assert set(found.answer or "") <= letters
    assert len(found.reasoning) + len(found.answer or "") <= 2 * len(text)


FORMS = [
    ("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"), ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<start_working_out>", "<end_working_out>"), ("<longcat_think>", "</longcat_think>"), ("<analysis>", "</analysis>"),
    ("＜think＞", "＜/think＞"), ("<|channel>thought", "<channel|>"), ("<|channel|>analysis<|message|>", f"<|end|>{FINAL}"),
]  # fmt: skip
ANSWERS = [
    "42", "The answer is `42`.", "`42`", '"42"', "'42'", '"42" isn\'t `41`', "The `<think>` tag", "“42”", '"""doc"""', "`` a ` b ``",
    "**`42`**", "The answer is `42", "(`42`)", CODE, "```\nprint(7)\n```", "```python\nprint(7)", f"So:\n{CODE}\nDone `x`.",
    "~~~python\nprint(7)\n~~~", "```xml\n<think>\n```", '{"a": "42"}', '"The answer\nis 42"', "42\n",
]  # fmt: skip
"""Answers of which the first backtick or quotation mark opens something."""
THOUGHT_PIECES = [
    "`",
    "``",
    "```",
    "```python\n",
    "~~~",
    '"',
    "'",
    "“",
    "‘",
    "\n",
    " ",
    "a",
    "x = 1",
    "don't",
    "(",
    "$",
]


@given(
    thought=st.lists(st.sampled_from(THOUGHT_PIECES), max_size=8).map("".join),
    answer=st.sampled_from(ANSWERS),
    form=st.sampled_from(FORMS),
)
def test_no_backtick_quotation_mark_or_fence_of_a_thought_changes_the_answer(
    thought: str, answer: str, form: tuple[str, str]
) -> None:
    opening, closing = form
    assert split(f"{opening}{thought}{closing}{answer}") == (thought.strip(), answer.strip())


@pytest.mark.parametrize(
    "piece",
    ["<think>", "</think>", "<think></think>", "`<think>", "```\n<think>\n</think>\n", "<|im_end|>", "</s>",
     "<|channel|>final", "\n```a\n</think>", " </think>", " ", "`"],
)  # fmt: skip
def test_the_work_grows_with_the_length_and_not_with_its_square(piece: str) -> None:
    # a quadratic reading of 300,000 characters would take minutes
    text = "```\n" + piece * (300_000 // len(piece))
    assert split(text) is not None


def test_texts_that_may_be_json_come_with_the_likeliest_first() -> None:
    text = '\ufeff<think>it says </think>1</think>{"a": "</think>2"}<|im_end|>'
    found = list(answers(text, most=9))
    assert found[1] == '2"}'  # by the rule for closing tags without an opening one
    assert '{"a": "</think>2"}' in found
    assert list(answers("{}", most=9)) == ["{}", "{}"]
    assert list(answers("<think>{}", most=9)) == ["<think>{}"]
    assert len(list(answers("</think>" * 50, most=3))) == 5


def test_a_prompted_thought_ends_behind_a_long_line_of_a_fence_it_left_open() -> None:
    answer = "```python\nprint(7)\n```"
    thought = "Let me try:\n```python\na = 1  # " + "x" * 90
    assert split(f"{thought}</think>\n{answer}") == (thought, answer)


def test_a_closing_tag_on_the_line_of_an_opening_fence_ends_no_thought() -> None:
    text = "```python </think>\nprint(7)\n```"
    assert split(text) == ("", text)
