"""A form made from a trigger's JSON Schema, and the JSON body its answers make.

The first level of an object schema becomes fields; what is deeper is entered as JSON. A field left empty is left
out of the body unless the schema requires it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flowmend.core.json_value import Json
from flowmend.portal.language import marked

#: the field that carries the whole body where the schema has no properties
WHOLE_BODY = "body"
#: begins the name of every field
PREFIX = "field."


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field. control: `text`, `number`, `date`, `email`, `check`, `choice` or `json`. error: to be translated."""

    name: str
    title: str
    control: str
    type: str
    hint: str = ""
    is_required: bool = False
    choices: tuple[str, ...] = ()
    value: str = ""
    error: str = ""

    @property
    def input_name(self) -> str:
        return PREFIX + self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm:
    """The fields, and whether they are an object's properties or the whole body."""

    fields: tuple[FormField, ...]
    is_whole_body: bool = False

    @property
    def has_errors(self) -> bool:
        return any(field.error for field in self.fields)


def form_of(schema: Json) -> RunForm:
    """The form for a Request trigger's schema; one JSON field where it has none."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        whole = FormField(name=WHOLE_BODY, title="", control="json", type="any")
        return RunForm(fields=(whole,), is_whole_body=True)
    required = schema.get("required")
    names = set(required) if isinstance(required, list) else set()
    return RunForm(fields=tuple(_field(name, one, is_required=name in names) for name, one in properties.items()))


def read_form(form: RunForm, answers: Mapping[str, str]) -> tuple[RunForm, Json]:
    """The form with what was entered and what is wrong with it, and the body (None if the whole body is empty).

    answers: by the field's name, without PREFIX.
    """
    fields, body = [], {}
    for field in form.fields:
        text = answers.get(field.name, "")
        value, error = _value(field, text)
        fields.append(replace(field, value=text, error=error))
        if form.is_whole_body:
            return replace(form, fields=tuple(fields)), value
        if not error and (text != "" or field.control == "check"):
            body[field.name] = value
    return replace(form, fields=tuple(fields)), body


def _field(name: str, schema: Json, *, is_required: bool) -> FormField:
    schema = schema if isinstance(schema, dict) else {}
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "string")
    choices = schema.get("enum")
    example = schema.get("default")
    return FormField(
        name=name,
        title=str(schema.get("title") or name),
        control=_control(kind, str(schema.get("format", "")), bool(choices)),
        type=str(kind),
        hint=str(schema.get("description", "")),
        is_required=is_required,
        choices=tuple(map(str, choices)) if isinstance(choices, list) else (),
        value="" if example is None else example if isinstance(example, str) else json.dumps(example),
    )


def _control(kind: str, format_name: str, has_choices: bool) -> str:
    if has_choices and kind in {"string", "integer", "number"}:
        return "choice"
    if kind in {"integer", "number"}:
        return "number"
    if kind == "boolean":
        return "check"
    if kind in {"object", "array"}:
        return "json"
    return {"date": "date", "email": "email"}.get(format_name, "text")


def _value(field: FormField, text: str) -> tuple[Json, str]:
    if field.control == "check":
        return text != "", ""
    if text.strip() == "":
        return None, marked("This field is required.") if field.is_required else ""
    try:
        if field.type == "integer":
            return int(text), ""
        if field.type == "number":
            number = float(text)
            if not math.isfinite(number):
                return None, marked("This is not a number.")
            return (int(number) if number.is_integer() else number), ""
        if field.control == "json":
            return json.loads(text), ""
    except ValueError as wrong:
        is_json = isinstance(wrong, json.JSONDecodeError)
        return None, marked("This is not valid JSON.") if is_json else marked("This is not a number.")
    return text, ""
