"""A form of files as a request's body."""

import secrets
from collections.abc import Mapping
from urllib.parse import quote


def form_body(files: Mapping[str, bytes], fields: Mapping[str, str]) -> tuple[bytes, str]:
    """(body, content type) of a form with a part `file` for each file, and the fields as text.

    Source: RFC 7578; quotes, line breaks and controls in a file's name are percent-encoded (WHATWG HTML, §4.10.21.8).
    """
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []
    for name, text in fields.items():
        parts += [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode(),
            text.encode(),
            b"\r\n",
        ]
    for path, content in files.items():
        name = "".join(quote(sign) if sign in '"\\' or ord(sign) < 32 else sign for sign in path)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
