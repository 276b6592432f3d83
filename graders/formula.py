"""Formulas: the arithmetic that `multi` combines its graders' rewards with.

`+ - * / ^`, parentheses, numbers, the functions `min max abs floor ceil exp sqrt log`, and the graders' keys as variables.
`^` is right-associative and binds tighter than unary minus; `log` is natural. The text is split by a closed set of
tokens, parsed by `ast`, checked against a closed set of nodes, and compiled once to closures over floats: nothing else
can be expressed, and there is no integer whose power would never end.

Names compare as Python compares them, in unicode form NFKC.
"""

import ast
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from itertools import accumulate
from keyword import iskeyword
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from graders.contract import FailureKind, brief
from graders.errors import FormulaError, GradingError
from graders.options import option_schema

MAX_LENGTH = 10_000
MAX_DEPTH = 100

Values = Mapping[str, float]
Term = Callable[[Values], float]

_TOKEN = re.compile(
    r"\s+"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))"
    r"|[-+*/^(),]"
)
_PRODUCT = re.compile(r"([0-9]{0,20}\.?[0-9]{1,20}|[0-9]{1,20}\.)([^\W\d]\w{0,60})")
_BRACED = re.compile(r"\{\s{0,20}(\w{1,60})\s{0,20}\}")
_WORD = re.compile(r"[\w.]+|.", re.DOTALL)

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: math.pow,  # a negative base with a fractional power is a domain error here, not a complex number
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
_VARIADIC = frozenset({"min", "max"})
_VOCABULARY = f"formulas have numbers, keys, + - * / ^ ( ) and the functions {', '.join(_FUNCTIONS)}"


class Formula:
    """A compiled formula.

    Attributes:
        source: The text as the author wrote it.
        variables: The names that it needs values for.

    Raises:
        FormulaError: When the text is not a formula; the message says where.
    """

    __slots__ = ("_term", "source", "variables")

    def __init__(self, source: str) -> None:
        self.source = source
        tree = _parse(source)
        self.variables = frozenset(
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name)
        ) - _called(tree)
        self._term = _compile(tree, 0)

    def __call__(self, values: Values) -> float:
        """Compute the formula over one value per variable.

        Raises:
            GradingError: Of kind `formula_parse_error`, for a division by zero, a domain error, an overflow or any
                other result that is not a finite number.
        """
        try:
            result = self._term(values)
        except (ArithmeticError, ValueError) as error:
            raise self._failed(values, str(error)) from error
        if not math.isfinite(result):
            raise self._failed(values, f"the result is {result}")
        return result

    def tree(self) -> ast.expr:
        """Its syntax tree: of constants, names, calls and operators that a formula may have."""
        return _parse(self.source)

    def _failed(self, values: Values, why: str) -> GradingError:
        with_numbers = ", ".join(f"{name} = {values[name]:g}" for name in sorted(self.variables))
        return GradingError(
            f"calculate_output {brief(self.source, 80)} has no value{' with ' + with_numbers if with_numbers else ''}: {why}",
            kind=FailureKind.FORMULA_PARSE,
            caused_by="grader",
        )

    def with_numbers(self, values: Mapping[str, float | None]) -> str:
        """The text as the author wrote it, with each variable's number in its place: `0.5 * 1 + 0.5 * 0.25`.

        A number has at most six digits, and a negative one parentheses. A variable without a value stays as it is.
        """
        shown: list[str] = []
        end = 0
        for position, token in _tokens(self.source):
            value = values.get(normal_name(token)) if normal_name(token) in self.variables else None
            if value is not None:
                shown += [self.source[end:position], f"({value:g})" if value < 0 else f"{value:g}"]
                end = position + len(token)
        return "".join([*shown, self.source[end:]])

    def check_names(self, keys: Mapping[str, object]) -> None:
        """Refuse a formula with a variable that is not among `keys`.

        Raises:
            FormulaError: Naming the unknown variable and the nearest key.
        """
        for name in sorted(self.variables - set(map(normal_name, keys))):
            near = get_close_matches(name, list(keys), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            if name in _FUNCTIONS:
                hint = f"the function is written {name}(…); "
            raise FormulaError(
                f"unknown variable {brief(name)}; {hint}keys of the graders: {', '.join(keys) or 'none'}"
            )

    def __repr__(self) -> str:
        return f"Formula({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return option_schema(cls, core_schema.str_schema(strict=True), write=lambda formula: formula.source)


def normal_name(name: str) -> str:
    """A name as Python's parser sees it (unicode form NFKC)."""
    return unicodedata.normalize("NFKC", name)


def is_variable(name: str) -> bool:
    """Whether a grader's key can be used as a variable: an identifier that is no function and no Python keyword."""
    return name.isidentifier() and not iskeyword(normal_name(name)) and normal_name(name) not in _FUNCTIONS


def _parse(source: str) -> ast.expr:
    if len(source) > MAX_LENGTH:
        raise FormulaError(f"a formula has at most {MAX_LENGTH} characters; this one has {len(source)}")
    tokens = list(_tokens(source))
    if not tokens:
        raise FormulaError("the formula is empty; write for example 0.5 * a + 0.5 * b")
    try:
        return ast.parse(" ".join(text for _, text in tokens), mode="eval").body
    except SyntaxError as error:
        why = "an operator or a value is missing" if error.msg.startswith("invalid syntax") else error.msg
        where = f"at character {_position(tokens, error.offset) + 1}" if error.offset else "at the end"
        raise FormulaError(f"{brief(source, 80)} is not a formula: {why} {where}") from None
    except (MemoryError, RecursionError):
        raise FormulaError(f"{brief(source, 80)} is not a formula: it is nested too deeply") from None


def _tokens(source: str) -> Iterator[tuple[int, str]]:
    """The formula's tokens, each with its position and as Python writes it; nothing but the tokens that formulas have."""
    position = 0
    while position < len(source):
        found = _TOKEN.match(source, position)
        end = found.end() if found else _name_end(source, position)
        text = source[position:end]
        is_power = source.startswith("**", position)
        if not text or is_power:
            wrong = "**" if is_power else next(_WORD.finditer(source, position))[0]
            hint = "; a power is written a ^ b" if is_power else _hint(wrong, source)
            raise FormulaError(
                f"unexpected {brief(wrong)} at character {position + 1} of {brief(source, 80)}; {_VOCABULARY}{hint}"
            )
        if found and found["number"]:
            yield position, _number(text)
        elif not text.isspace():
            yield position, "**" if text == "^" else text
        position = end


def _hint(wrong: str, source: str) -> str:
    """How to write what was probably meant, where it is a product without a sign or a name in braces."""
    if product := _PRODUCT.fullmatch(wrong):
        return f"; a product is written {product[1]} * {product[2]}"
    if wrong in "{}":
        name = _BRACED.search(source)
        return f"; write names without braces{f': {name[1]}' if name else ''}"
    return ""


def _name_end(source: str, position: int) -> int:
    """Where the name that begins here ends: by Python's rule, which has letters that regular expressions lack."""
    if not source[position].isidentifier():
        return position
    end = position + 1
    while end < len(source) and f"_{source[end]}".isidentifier():
        end += 1
    return end


def _number(token: str) -> str:
    """A number as a float: Python would read integers, whose powers never end, and refuse 007."""
    number = float(token)
    if not math.isfinite(number):
        raise FormulaError(f"the number {brief(token)[1:-1]} in the formula is too large")
    return repr(number)


def _position(tokens: list[tuple[int, str]], offset: int) -> int:
    """Where the formula has the token that begins at or before a 1-based offset in the joined tokens."""
    starts = accumulate((len(text) + 1 for _, text in tokens), initial=1)
    return max(position for (position, _), start in zip(tokens, starts, strict=False) if start <= offset)


def _called(tree: ast.AST) -> frozenset[str]:
    """Names that stand only before a parenthesis."""
    calls = [
        node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return frozenset(call.id for call in calls) - {name.id for name in names if name not in calls}


def _compile(node: ast.expr, depth: int) -> Term:
    if depth > MAX_DEPTH:
        raise FormulaError(f"the formula is nested more than {MAX_DEPTH} levels deep")
    match node:
        case ast.Constant(value=float() as number):
            return lambda values: number
        case ast.Name(id=name):
            return lambda values: values[name]
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _compile(operand, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _compile(operand, depth + 1)
            return lambda values: -inner(values)
        case ast.BinOp(op=operator) if type(operator) in _BINARY:
            return _chain(node, depth)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name, [_compile(argument, depth + 1) for argument in arguments])
    raise FormulaError(
        f"{brief(ast.unparse(node).replace('**', '^'))} is not part of a formula; {_VOCABULARY}"
    )


def _chain(node: ast.expr, depth: int) -> Term:
    """What is computed from left to right, in a loop: the sum of 500 keys is long, not deep."""
    steps: list[tuple[Callable[[float, float], float], Term]] = []
    while isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        steps.append((_BINARY[type(node.op)], _compile(node.right, depth + 1)))
        node = node.left
    first = _compile(node, depth + 1)
    steps.reverse()

    def compute(values: Values) -> float:
        result = first(values)
        for function, right in steps:
            result = function(result, right(values))
        return result

    return compute


def _call(name: str, arguments: list[Term]) -> Term:
    function = _FUNCTIONS.get(name)
    if function is None:
        near = get_close_matches(name, list(_FUNCTIONS), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise FormulaError(
            f"unknown function {brief(name)}; {hint}formulas have {', '.join(_FUNCTIONS)}; a product is written a * (b)"
        )
    if name in _VARIADIC:
        if not arguments:
            raise FormulaError(f"{name} needs at least one argument")
        return lambda values: function([argument(values) for argument in arguments])
    if len(arguments) != 1:
        raise FormulaError(f"{name} takes one argument, got {len(arguments)}")
    only = arguments[0]
    return lambda values: function(only(values))
