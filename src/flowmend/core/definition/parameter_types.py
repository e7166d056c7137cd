"""What a parameter's declared type allows as its value."""

from collections.abc import Mapping

from flowmend.core.json_value import Json

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "securestring": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "array": (list,),
    "object": (dict,),
    "secureobject": (dict, list),
}


def is_of_type(value: Json, type_name: str) -> bool:
    """Whether a value may be a parameter's of this type (lower case); of a type nobody knows any value may."""
    expected = _PYTHON_TYPES.get(type_name)
    if expected is None:
        return True
    return isinstance(value, expected) and (bool in expected or not isinstance(value, bool))
