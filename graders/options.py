"""Options: a pydantic model made from a grader's signature, and errors that say which field and how to mend it."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from graders.contract import brief
from graders.errors import ConfigurationError, InvalidOptions, PluginError, Problem
from graders.wording import in_words, written_path

RESERVED = ("type", "name", "pass_threshold", "votes", "invalid_grade")
"""Fields that every grader has; no option may take their names."""
LABELS = ("id", "description")
"""Texts that published criteria carry and that change nothing; a type may have options of these names, which come first."""
_LONGEST_NAME = 100
"""Characters of a wrong field's name that are compared with the right ones."""

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Also:
    """Another name that a published field is known by: `Annotated[float, Also("max_rps")]`.

    Attributes:
        name: The other name; giving both is an error.
    """

    name: str


class Options(BaseModel):
    """The options of one grader type; subclasses are made by `options_model`.

    Each field bears its option's name as alias and another name inside, since an option may be called `schema`, `json`
    or anything else that a pydantic model has a method for.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    def arguments(self) -> dict[str, Any]:
        """The validated options, as keyword arguments."""
        return {str(info.alias): getattr(self, name) for name, info in type(self).model_fields.items()}


def options_model(
    name: str, function: Callable[..., Any], parameters: Iterable[inspect.Parameter]
) -> type[Options]:
    """A model whose fields are the keyword-only parameters of a grading function or of a class's constructor.

    Raises:
        PluginError: When a parameter has no annotation or one that no JSON fits, or takes the name of a field that every
            grader has.
    """
    hints = annotations_of(name, function.__init__ if inspect.isclass(function) else function)
    fields: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(
                f"grader {name!r}: {str(parameter).partition(':')[0]} cannot be an option: name each option after a '*'"
            )
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise PluginError(
                f"grader {name!r}: the option {parameter.name!r} must be keyword-only: put it after a '*'"
            )
        if parameter.name not in hints:
            raise PluginError(f"grader {name!r}: the option {parameter.name!r} needs a type annotation")
        if parameter.name in RESERVED:
            raise PluginError(
                f"grader {name!r}: every grader has a field {parameter.name!r}; call the option otherwise"
            )
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        hint = hints[parameter.name]
        others = [extra.name for extra in get_args(hint) if isinstance(extra, Also)]
        names = AliasChoices(parameter.name, *others) if others else parameter.name
        field = Field(default, alias=parameter.name, validation_alias=names)
        fields[f"option_{parameter.name}"] = (hint, field)
    try:
        model: type[Options] = create_model(f"{name}_options", __base__=Options, **fields)
    except PydanticUserError as error:
        why = str(error).partition("\n")[0].partition(" Set `arbitrary")[0]
        raise PluginError(f"grader {name!r}: an option has a type that JSON cannot fill: {why}") from error
    return model


def annotations_of(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a grading function or a constructor, resolved.

    Raises:
        PluginError: When one names what its module does not have at run time.
    """
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise PluginError(
            f"grader {name!r}: an annotation cannot be resolved: {error}; annotations are read at run time, so what they "
            "name is imported outside `if TYPE_CHECKING:`"
        ) from error


def validate_options(model: type[Options], values: Mapping[str, Any], context: object = None) -> Options:
    """Check a grader's options.

    Raises:
        InvalidOptions: With one problem for each field that is wrong.
    """
    try:
        return model.model_validate(dict(values), context=context)
    except ValidationError as error:
        others = _other_names(model)
        raise InvalidOptions(
            problem for details in error.errors() for problem in _problems(details, model, others, values)
        ) from None


def option_values(model: type[Options], config: Mapping[str, Any]) -> dict[str, Any]:
    """The options in a grader's JSON: all but the fields that every grader may have."""
    options = {str(info.alias) for info in model.model_fields.values()}
    common = {*RESERVED, *(name for name in LABELS if name not in options)}
    return {key: value for key, value in config.items() if key not in common}


def no_such_field(name: object, fields: Iterable[str], has: str = "the fields are") -> str:
    """The message about a field that an object does not have: all that it has, the nearest first.

    Args:
        name: The field that was given.
        fields: Those that the object has.
        has: What comes before them.
    """
    known = list(fields)
    near = get_close_matches(str(name)[:_LONGEST_NAME], known, n=len(known) or 1)
    ordered = ", ".join([*near, *(field for field in known if field not in near)])
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"no such field; {meant}{has} {ordered}"


def validated(model: type[M], value: object) -> M:
    """A JSON object as one of several models, for an option that finds out by itself which one.

    Raises:
        InvalidOptions: With one problem for each field that is wrong.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidOptions(
            problem for details in error.errors() for problem in _problems(details, model, {}, value)
        ) from None


def option_schema(cls: type[T], plain: CoreSchema, *, write: Callable[[T], Any]) -> CoreSchema:
    """How an option type with a compiled form (`Template`, `Formula`, `Pattern`) is read from JSON and written back.

    Args:
        cls: The type; called with the plain value, it raises `ConfigurationError` for a bad one.
        plain: Schema of the plain value.
        write: Gives the plain value back.
    """

    def read(value: Any, check_plain: core_schema.ValidatorFunctionWrapHandler) -> T:
        if isinstance(value, cls):
            return value
        try:
            return cls(check_plain(value))  # type: ignore[call-arg]  # an option type is made of its plain value
        except ConfigurationError as error:
            raise carry(error) from None

    return core_schema.no_info_wrap_validator_function(
        read, plain, serialization=core_schema.plain_serializer_function_ser_schema(write)
    )


def carry(error: ConfigurationError) -> PydanticCustomError:
    """Take a configuration error with all its problems through pydantic, which knows where it is nested."""
    carried = {"message": str(error), "problems": error.problems}
    return PydanticCustomError("grader_problems", "{message}", carried)


def _other_names(model: type[Options]) -> dict[str, str]:
    """The option that each other name stands for."""
    return {
        str(other): str(info.alias)
        for info in model.model_fields.values()
        if isinstance(info.validation_alias, AliasChoices)
        for other in info.validation_alias.choices[1:]
    }


def _fields_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The fields of the object in which a path ends; of all that it may be, where it may be one of several."""
    models = [model]
    for step in path[:-1]:
        found = [
            inner
            for outer in models
            for name, info in outer.model_fields.items()
            if step in (name, info.alias)
            for inner in _models_in(info.annotation)
        ]
        models = found or models  # an index, or a key of a map, leads no further
    names = [info.alias or name for found in models for name, info in found.model_fields.items()]
    return list(dict.fromkeys(names))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models among the parts of an annotation."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _problems(
    details: ErrorDetails, model: type[BaseModel], others: Mapping[str, str], given: object
) -> Iterable[Problem]:
    path = details["loc"]
    context = details.get("ctx", {})
    if "problems" in context:
        return [problem.under(*path) for problem in context["problems"]]
    if details["type"] == "extra_forbidden" and len(path) == 1 and path[0] in others:
        name = others[str(path[0])]
        return [Problem(path, f"this is another name of {name!r}, which is given too")]
    written = written_path(given, path, is_missing=details["type"] == "missing")
    return [Problem(written, _describe(details, path, model))]


def _describe(details: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """One line out of pydantic's: what was expected, what was found."""
    kind, found = details["type"], details["input"]
    if kind == "extra_forbidden":
        fields = _fields_at(model, path)
        is_grader = len(path) == 1 and issubclass(model, Options)
        has = "this type has no options; every grader has" if is_grader and not fields else "the fields are"
        return no_such_field(path[-1], [*fields, *(RESERVED if is_grader else ())], has)
    if kind == "dict_type" and isinstance(found, list):
        return 'expected a map from a key to each grader, such as {"correct": {…}}, got a list'
    words = in_words(details)
    return words if kind == "missing" else f"{words}, got {brief(found)}"
