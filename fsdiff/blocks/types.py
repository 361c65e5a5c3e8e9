"""Types of configuration blocks, made from the signatures of the classes that they configure."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    Strict,
    TypeAdapter,
    create_model,
    model_validator,
)
from pydantic.errors import PydanticUserError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from fsdiff import parts
from fsdiff.characters import lines

LARGEST = 2**53 - 1
"""The largest integer up to which all are exact as floating-point numbers: that of seeds."""
MOST = 10**8
"""The largest number of things that a part is given; more of them are out of reach."""
NAMES = ("seed", "classes")
"""Settings whose integers are names, and may be as large as is exact: all others count things."""
CONFIGURED_BY_KEYWORDS = ("network", "method", "latent")
"""Families whose parts are no dataclasses: data come first when they are made."""
SIZES = (1e-30, 1e15)
"""How small and how large a number may be, so that its square and its inverse are numbers too."""


class Block(BaseModel):
    """A block of YAML: unknown keys are refused and numbers are numbers."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    def plain(self) -> dict[str, Any]:
        """The block as JSON has it, defaults filled in."""
        return self.model_dump(mode="json")


class PartBlock(Block):
    """The configuration of one class.

    Dataclasses are constructed along with it, so that what they refuse is refused here.
    """

    # Made from signatures: there is no source to read docstrings from, and looking takes seconds.
    model_config = ConfigDict(use_attribute_docstrings=False)

    _described: ClassVar[type]
    _part: Any = PrivateAttr(None)

    @model_validator(mode="after")
    def _construct(self) -> "PartBlock":
        if dataclasses.is_dataclass(self._described):
            values = {name: getattr(self, name) for name in type(self).model_fields}
            self._part = self._described(
                **{name: _constructed(value) for name, value in values.items()}
            )
        return self

    @property
    def part(self) -> Any:
        """The dataclass that the block describes; None for networks."""
        return self._part

    @property
    def described(self) -> Any:
        """The class that the block configures."""
        return self._described

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of the class, without its kind."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "kind"}

    if TYPE_CHECKING:  # the fields are the arguments of the class that is described

        def __getattr__(self, name: str) -> Any: ...


@cache
def block_type(described: type) -> type[PartBlock]:
    """The type of a class's block; ``kind`` comes first and must be given."""
    try:
        return _made(described)
    except (PydanticUserError, NameError) as error:  # of types that no YAML has
        first, *_ = lines(str(error))
        raise parts.PartError(
            f"{_called(described)}: no configuration can have such settings: {first}"
        ) from error


def _check_declared(family: str, described: type) -> None:
    """Raise PartError for a class that lacks what makes its annotations settings."""
    if family not in CONFIGURED_BY_KEYWORDS and "__dataclass_fields__" not in vars(described):
        raise parts.PartError(
            f"{_called(described)} is no dataclass of its own: write @dataclass(frozen=True), or "
            "what the class that it derives from has, above it"
        )
    hint = vars(described).get("__annotations__", {}).get("kind")
    if hint is not None and get_origin(hint) is not Literal and not isinstance(hint, str):
        kind = getattr(described, "kind", None)
        raise parts.PartError(f'{_called(described)}: write kind: Literal["{kind}"] = "{kind}"')


def _called(described: type) -> str:
    return f"{described.__module__}.{described.__name__}"


def _made(described: type) -> type[PartBlock]:
    fields: dict[str, Any] = {}
    for name, annotation, default in _parameters(described):
        if name in parts.FAMILIES and _mentions_parts(annotation):
            annotation = _parts_of(name, annotation)
            annotation = annotation | None if default is None else annotation
        fields[name] = (exact(annotation, LARGEST if name in NAMES else MOST), _plain(default))
    if "kind" in fields:
        fields = {"kind": (fields.pop("kind")[0], ...)} | fields
    model = create_model(
        described.__name__,
        __base__=PartBlock,
        __doc__=inspect.getdoc(described),
        __module__=described.__module__,
        **fields,
    )
    model._described = described
    return model


def _plain(default: Any) -> Any:
    """A default as a configuration would have it: of parts, their blocks."""
    if isinstance(default, tuple):
        return tuple(map(_plain, default))
    if dataclasses.is_dataclass(default) and not isinstance(default, type):
        return dataclasses.asdict(default)
    return default


@dataclasses.dataclass(frozen=True)
class BlockOf:
    """Makes a field the block of a class: ``Annotated[PartBlock, BlockOf(Level)]``."""

    described: type

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(block_type(self.described))


@dataclasses.dataclass(frozen=True)
class PartOf:
    """Makes a field the block of a part of a family: ``Annotated[PartBlock, PartOf("prior")]``.

    Where ``base`` is an abstract class, of those parts only that derive from it. What a block names
    is imported, and the type of its block made, once there is one: for all parts it takes seconds.
    """

    family: str
    base: Any = None

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kinds = [*_kinds(self.family, self.base)]
        if len(kinds) == 1:
            return handler.generate_schema(_block_of(self.family, kinds[0]))
        choices = {kind: _validated_as(self.family, kind) for kind in kinds}
        return core_schema.tagged_union_schema(choices, discriminator="kind")

    def __get_pydantic_json_schema__(
        self, one: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(_union(self.family, self.base) or one)


def _validated_as(family: str, kind: str) -> CoreSchema:
    """What checks a block of one kind, made when there is one."""

    def validated(value: Any) -> PartBlock:
        return _block_of(family, kind).model_validate(value)

    return core_schema.no_info_plain_validator_function(validated)


@cache
def _union(family: str, base: Any) -> CoreSchema | None:
    """The schema of the block of any part of a family; None where it has only one."""
    types = tuple(_block_of(family, kind) for kind in _kinds(family, base))
    if len(types) == 1:
        return None
    union: Any = Annotated[reduce(or_, types), Field(discriminator="kind")]
    return TypeAdapter[Any](union).core_schema


def _kinds(family: str, base: Any) -> Iterator[str]:
    """The kinds of a family; of an abstract class, those of what derives from it."""
    told_apart = inspect.isabstract(base) and not getattr(base, "_is_protocol", False)
    for kind in parts.kinds(family):
        if not told_apart or issubclass(parts.find(family, kind), base):
            yield kind


def _block_of(family: str, kind: str) -> type[PartBlock]:
    described = parts.find(family, kind)
    _check_declared(family, described)
    return block_type(described)


def _constructed(value: Any) -> Any:
    """The dataclass that a block describes, or those of several; other values as they are."""
    if isinstance(value, tuple):
        return tuple(map(_constructed, value))
    return value.part if isinstance(value, PartBlock) else value


def _parts_of(family: str, annotation: Any) -> Any:
    """The type of a part's block, or of the blocks of a tuple of parts."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated and get_origin(arguments[0]) is tuple:
        return Annotated[(_parts_of(family, arguments[0]), *arguments[1:])]
    if origin is tuple:
        return origin[_parts_of(family, arguments[0]), ...]
    return Annotated[PartBlock, PartOf(family, annotation)]


def exact(annotation: Any, largest: int = LARGEST) -> Any:
    """The same type, in which true is not 1, "2" is not 2 and 2.0 is not an integer.

    Integers go up to ``largest``.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is float or (origin is Annotated and arguments[0] is float):
        return Annotated[(annotation, *get_args(Number)[1:])]
    if annotation is int:
        return Annotated[int, Strict(), Field(le=largest)]
    if annotation is bool:
        return Flag
    if origin is Literal and any(isinstance(argument, int) for argument in arguments):
        return Annotated[annotation, BeforeValidator(_plain_option)]
    if origin is Annotated:
        return Annotated[(exact(arguments[0], largest), *arguments[1:])]
    if origin in (Union, UnionType):
        return reduce(or_, (exact(argument, largest) for argument in arguments))
    if origin in (tuple, dict):
        return origin[tuple(exact(argument, largest) for argument in arguments)]
    return annotation


def _parameters(described: type) -> Iterator[tuple[str, Any, Any]]:
    """(name, annotation, default) of the arguments that configure a class; ``...`` if required."""
    if not dataclasses.is_dataclass(described):
        yield from _keyword_parameters(described)
        return
    hints = get_type_hints(described, include_extras=True)
    for item in dataclasses.fields(described):
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        yield item.name, hints[item.name], ... if default is dataclasses.MISSING else default


def _keyword_parameters(described: Any) -> Iterator[tuple[str, Any, Any]]:
    yield "kind", Literal[described.kind], ...
    hints = get_type_hints(described.__init__, include_extras=True)
    for name, argument in inspect.signature(described.__init__).parameters.items():
        if argument.kind is argument.KEYWORD_ONLY:
            default = argument.default
            if name not in hints:
                raise NameError(f"{name} has no type; annotate it")
            yield name, hints[name], ... if default is argument.empty else default


def _mentions_parts(annotation: Any) -> bool:
    """Whether a type is made of classes of this package rather than of plain values."""
    if isinstance(annotation, type) and not get_args(annotation):
        return parts.is_own(annotation)
    return any(_mentions_parts(argument) for argument in get_args(annotation))


def _scientific(value: Any) -> Any:
    """Numbers such as 1e-3, which YAML 1.1 takes for text."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", value):
        return float(value)
    return value


def _plain_option(value: Any) -> Any:
    """An option; to Python true and 1.0 are 1, so these are told from it first."""
    if isinstance(value, bool | float):
        raise PydanticCustomError("literal_error", "no such option")
    return value


def _moderate(value: float) -> float:
    smallest, largest = SIZES
    if value and not smallest <= abs(value) <= largest:
        raise ValueError(f"out of reach; use 0 or sizes from {smallest:g} to {largest:g}")
    return value


Flag = Annotated[bool, Strict()]
"""What ``exact`` makes of ``bool``."""
Integer = Annotated[int, Strict(), Field(le=LARGEST)]
"""What ``exact`` makes of ``int``."""
Number = Annotated[float, Strict(), BeforeValidator(_scientific), AfterValidator(_moderate)]
"""What ``exact`` makes of ``float``."""
