"""JSON schemas of tools and structured answers: the least value that satisfies one.

Pure. Knows what Pydantic and the frameworks write: types, properties, enums, references,
alternatives. What it does not know is passed over: a schema is the caller's, and never a reason to
fail here.
"""

from __future__ import annotations

import msgspec

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What JSON can say."""

_DEPTH_MAX = 16
_REFERENCE = "#/"


class Schema(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a JSON schema that decides about the least value."""

    type: str | list[str] | None = None
    properties: dict[str, Schema | bool] = {}
    required: list[str] = []
    enum: list[msgspec.Raw] = []
    const: msgspec.Raw = msgspec.Raw()
    any_of: list[Schema] = []
    one_of: list[Schema] = []
    all_of: list[Schema] = []
    items: Schema | bool | None = None
    min_items: int = 0
    ref: str = msgspec.field(name="$ref", default="")
    defs: dict[str, Schema | bool] = msgspec.field(name="$defs", default_factory=dict)
    definitions: dict[str, Schema | bool] = {}

    def kind(self) -> str:
        """The first type that is not null; an object when only properties say so."""
        kinds = [self.type] if isinstance(self.type, str) else self.type or []
        fallback = "object" if self.properties else "string"
        return next((kind for kind in kinds if kind != "null"), kinds[0] if kinds else fallback)


_DECODER = msgspec.json.Decoder(Schema)


def parse(raw: msgspec.Raw) -> Schema:
    """The schema in a request; an empty one when there is none or it cannot be read."""
    try:
        return _DECODER.decode(raw)
    except msgspec.MsgspecError:
        return Schema()


def example(schema: Schema, *, text: str = "ok", root: Schema | None = None) -> Json:
    """The least value that satisfies the schema; strings are `text`, enums their first value.

    `root` is the schema that references point into, if it is another one.
    """
    return _example(schema, root or schema, text, 0)


def resolved(schema: Schema, root: Schema) -> Schema:
    """The schema itself, behind references and alternatives; an empty one when there is none."""
    for _ in range(_DEPTH_MAX):
        alternatives = schema.any_of or schema.one_of or schema.all_of
        following: Schema | bool | None = schema
        if schema.ref:
            following = _resolve(schema.ref, root)
        elif alternatives and not all(bytes(one.const) for one in alternatives):
            following = next((one for one in alternatives if one.type != "null"), alternatives[0])
        if following is schema:
            break
        schema = following if isinstance(following, Schema) else Schema()
    return schema


def is_nullable(schema: Schema, name: str) -> bool:
    """Whether a property may be null."""
    inner = schema.properties.get(name)
    if not isinstance(inner, Schema):
        return False
    kinds = inner.type if isinstance(inner.type, list) else [inner.type]
    return "null" in (*kinds, *(one.type for one in (*inner.any_of, *inner.one_of)))


def options(schema: Schema, root: Schema) -> list[Json]:
    """The values to choose from, of an enum or of alternatives that are one value each."""
    schema = resolved(schema, root)
    alternatives = schema.any_of or schema.one_of
    return [_plain(raw) for raw in schema.enum or [one.const for one in alternatives]]


def arguments(schema: Schema, *, convention: dict[str, str], text: str) -> Json:
    """Arguments for a function with these parameters.

    A function that declares all names of the convention gets exactly them. Any other gets `text` in
    its required strings, or in its first string if none is required, and least values in the rest.
    """
    if convention.keys() <= schema.properties.keys():
        return dict(convention)
    filled = _example(schema, schema, text, 0) if schema.properties else {}
    if isinstance(filled, dict) and text not in filled.values():
        for name, inner in schema.properties.items():
            if isinstance(inner, Schema) and inner.kind() == "string" and not inner.enum:
                return {**filled, name: text}
    return filled


def _example(schema: Schema | bool | None, root: Schema, text: str, depth: int) -> Json:
    if not isinstance(schema, Schema) or depth > _DEPTH_MAX:
        return text if depth <= _DEPTH_MAX else None
    if bytes(schema.const):
        return _plain(schema.const)
    if schema.enum:
        return _plain(schema.enum[0])
    if schema.ref:
        return _example(_resolve(schema.ref, root), root, text, depth + 1)
    alternatives = schema.any_of or schema.one_of or schema.all_of
    if alternatives:
        chosen = next((one for one in alternatives if one.type != "null"), alternatives[0])
        return _example(chosen, root, text, depth + 1)
    match schema.kind():
        case "object":
            names = schema.required
            return {
                name: _example(schema.properties.get(name), root, text, depth + 1) for name in names
            }
        case "array":
            return [_example(schema.items, root, text, depth + 1)] * min(schema.min_items, 100)
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return text


def _resolve(reference: str, root: Schema) -> Schema | bool | None:
    place, _, name = reference.removeprefix(_REFERENCE).partition("/")
    known = {"$defs": root.defs, "definitions": root.definitions}.get(place, {})
    return root if reference == "#" else known.get(name)


def _plain(raw: msgspec.Raw) -> Json:
    value: Json = msgspec.json.decode(raw)
    return value
