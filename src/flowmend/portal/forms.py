"""What a submitted form says, as text."""

from starlette.datastructures import FormData


def form_text(form: FormData, name: str) -> str:
    """The field's text, "" where it is absent or a file."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def form_texts(form: FormData, prefix: str) -> dict[str, str]:
    """Every text field whose name begins with the prefix, by the rest of its name."""
    return {
        name.removeprefix(prefix): value
        for name, value in form.multi_items()
        if name.startswith(prefix) and isinstance(value, str)
    }
