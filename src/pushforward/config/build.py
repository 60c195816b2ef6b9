"""Objects from mappings and back: `{type: EntropicOT, epsilon: 0.05}`, or just `ExactOT`."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from pushforward.config.register import parts_of
from pushforward.core import InvalidInput, nearest, require

__all__ = ["Partial", "build", "build_partial", "describe"]


@dataclass(frozen=True)
class Partial:
    """A class whose remaining arguments are known later (a network's shapes, an objective's path).

    What is known comes in turns: called with some of it, a part that still waits, itself or one of its fields, gives
    the `Partial` of the rest, with everything built, and checked, that could be.

    Args:
        part: The class.
        fields: Its configured arguments, checked; those that wait, too, are `Partial`.
        late: Names of the arguments that are not for a configuration to set.
        where: Dotted key of the slot, for messages.
    """

    part: type
    fields: Mapping[str, Any] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    where: str = ""

    def __call__(self, **late: Any) -> Any:
        """The object, from the configured fields and those of `late` that it takes; a `Partial` while it waits."""
        fields = {k: v(**late) if isinstance(v, Partial) else v for k, v in self.fields.items()}
        fields = {**{k: v for k, v in late.items() if k in self.late}, **fields}
        needed = [k for k in self.late if inspect.signature(self.part).parameters[k].default is inspect.Parameter.empty]
        found = replace(self, fields=fields)
        waits = found.nested or not fields.keys() >= set(needed)
        return found if waits else _make(self.part, fields, self.where)

    @property
    def nested(self) -> bool:
        """Whether a field waits."""
        return any(isinstance(value, Partial) for value in self.fields.values())


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _kind(annotation: Any) -> type | None:
    """The slot that an annotation names, if it names one."""
    for option in _options(annotation):
        origin = typing.get_origin(option) or option
        if isinstance(origin, type) and (parts_of(origin) or dataclasses.is_dataclass(origin)):
            return origin
    return None


def _hints(part: type) -> dict[str, Any]:
    """Argument name -> annotation, for dataclasses and for modules."""
    owner = part if dataclasses.is_dataclass(part) else part.__init__
    hints = typing.get_type_hints(owner)
    names = [name for name in inspect.signature(part).parameters if name != "self"]
    return {name: hints.get(name, Any) for name in names}


def _split(spec: Any, where: str) -> tuple[str, dict[str, Any]]:
    """A part's name and its fields."""
    if isinstance(spec, str):
        return spec, {}
    require(
        isinstance(spec, Mapping) and isinstance(spec.get("type"), str),
        f"{where}: got {spec!r}, expected a class name, or a mapping such as {{type: ClassName, field: value}}",
    )
    return spec["type"], {k: v for k, v in spec.items() if k != "type"}


def _find(kind: type, name: str, where: str) -> type:
    known = parts_of(kind)
    require(name in known, f"{where}: unknown name {name!r}; {nearest(name, known)}")
    return known[name]


def _leaf(value: Any, annotation: Any, where: str) -> Any:
    """A plain value, checked and converted by pydantic ('1e-3' is a float, 'three' is not)."""
    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].lower()
        raise InvalidInput(f"{where}: got {value!r}; {reason}") from None


def _value(value: Any, annotation: Any, where: str, late: tuple[str, ...]) -> Any:
    if value is None and type(None) in _options(annotation):
        return None
    if typing.get_origin(annotation) is tuple and isinstance(value, (list, tuple)):
        member = typing.get_args(annotation)[0]
        if _kind(member) is not None and typing.get_args(annotation)[1:] == (...,):
            return tuple(_value(item, member, f"{where}.{k}", late) for k, item in enumerate(value))
    kind = _kind(annotation)
    if kind is None:
        return _leaf(value, annotation, where)
    if isinstance(value, kind) and not isinstance(value, str):
        return value
    if not parts_of(kind):
        return build(value, kind, where)
    part = build_partial(value, kind, where, late)
    return part if part.late or part.nested else part()


def _arguments(part: type, fields: Mapping[str, Any], where: str, late: tuple[str, ...] = ()) -> dict[str, Any]:
    """The arguments that `fields` gives; parts among them that need some of `late` are `Partial`."""
    hints = {name: hint for name, hint in _hints(part).items() if name not in late}
    for name in fields:
        key = _dotted(where, name)
        require(name in hints, f"unknown key {key!r}: {part.__name__} has no such field; {nearest(str(name), hints)}")
    return {name: _value(value, hints[name], _dotted(where, name), late) for name, value in fields.items()}


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _make(part: type, arguments: Mapping[str, Any], where: str) -> Any:
    needed = [name for name, p in inspect.signature(part).parameters.items() if p.default is p.empty]
    for name in needed:
        key = _dotted(where, name)
        require(name in arguments, f"{key} is not set, and {part.__name__} needs it; add --set {key}=VALUE")
    return part(**arguments)


def build(spec: Any, kind: type, where: str) -> Any:
    """The object that `spec` describes.

    Args:
        spec: A class name, or `{type: ClassName, field: value, ...}`; without `type` where the slot is one dataclass.
        kind: The slot: a Protocol of the register, or a dataclass of settings.
        where: Dotted key of the slot, for messages.

    Raises: `InvalidInput` for unknown names and fields (with the nearest valid one) and for values of a wrong type.
    """
    if not parts_of(kind):
        require(isinstance(spec, Mapping), f"{where}: got {spec!r}, expected a mapping of {kind.__name__} fields")
        fields = {k: v for k, v in spec.items() if (k, v) != ("type", kind.__name__)}  # `describe` names every class
        return _make(kind, _arguments(kind, fields, where), where)
    name, fields = _split(spec, where)
    part = _find(kind, name, where)
    return _make(part, _arguments(part, fields, where), where)


def build_partial(spec: Any, kind: type, where: str, late: tuple[str, ...]) -> Partial:
    """Like `build`, for an object that still waits for the arguments `late`; everything else is checked now."""
    name, fields = _split(spec, where)
    part = _find(kind, name, where)
    own = tuple(argument for argument in late if argument in inspect.signature(part).parameters)
    return Partial(part, _arguments(part, fields, where, late), own, where)


def _plain(value: Any) -> Any:
    if isinstance(value, (Partial, nn.Module)) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return describe(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(inner) for key, inner in value.items()}
    require(
        value is None or isinstance(value, (bool, int, float, str)),
        f"{value!r} cannot be written to a configuration; use a part of the register",
    )
    return value


def _defaults(part: type, late: tuple[str, ...]) -> dict[str, Any]:
    """Default values of the arguments of a class that are not `late`."""
    if dataclasses.is_dataclass(part):
        found = {
            f.name: f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
            for f in dataclasses.fields(part)
        }
        found = {name: value for name, value in found.items() if value is not dataclasses.MISSING}
    else:
        parameters = inspect.signature(part).parameters
        found = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    return {name: value for name, value in found.items() if name not in late}


def describe(part: Any, *, typed: bool = True) -> dict[str, Any]:
    """The mapping that builds `part` again, every default written out.

    Raises: `InvalidInput` for parts that hold plain functions or other objects outside the register.
    """
    if isinstance(part, Partial):
        name, values = part.part.__name__, {**_defaults(part.part, part.late), **part.fields}
    else:
        require(
            dataclasses.is_dataclass(part) and not isinstance(part, type),
            f"{type(part).__name__} cannot be written to a configuration; use a part of the register",
        )
        name, values = type(part).__name__, {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    plain = {key: _plain(value) for key, value in values.items()}
    return {"type": name, **plain} if typed else plain
