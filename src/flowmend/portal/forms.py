"""What a submitted form says, as text."""

import base64

from starlette.datastructures import FormData, UploadFile

#: Certificates are small; what is larger is none.
_LARGEST_FILE = 1024 * 1024


def form_text(form: FormData, name: str) -> str:
    """The field's text, "" where it is absent or a file."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def form_texts(form: FormData, prefix: str) -> dict[str, str]:
    """Every text field whose name begins with the prefix, by the rest of its name; lines end as in files, the last without."""
    return {
        name.removeprefix(prefix): value.replace("\r\n", "\n").rstrip("\n")
        for name, value in form.multi_items()
        if name.startswith(prefix) and isinstance(value, str)
    }


async def file_text(form: FormData, name: str) -> str:
    """The uploaded file: its text where it is PEM, else its bytes in base64; "" where none was chosen."""
    value = form.get(name)
    if not isinstance(value, UploadFile):
        return form_text(form, name)
    content = await value.read(_LARGEST_FILE)
    await value.close()
    is_text = b"-----BEGIN " in content
    return content.decode("utf-8", "replace") if is_text else base64.b64encode(content).decode("ascii")


async def file_texts(form: FormData, prefix: str) -> dict[str, str]:
    """Every chosen file whose field begins with the prefix, by the rest of its name, as `file_text`."""
    chosen = [name for name, value in form.multi_items() if name.startswith(prefix) and isinstance(value, UploadFile)]
    texts = {name.removeprefix(prefix): await file_text(form, name) for name in chosen}
    return {name: text for name, text in texts.items() if text}
