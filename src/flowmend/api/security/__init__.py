"""What stands before every route: host, origin, sign-in, body limits, response headers, access log.

Pure ASGI, so that a streamed body or event stream passes through untouched:

    answer headers → access log → proxy → host → who is asking → may they → origin → body limit → application
"""

from flowmend.api.security.middleware import secure_app

__all__ = ["secure_app"]
