"""The routes under sign-in, as one plain ASGI application per prefix.

Plain, because a load test must not wait for the sample: route, sign-in, permission, body, operation, answer, each a
dictionary look-up or a function call.
"""

import asyncio
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from flowmend.sample.service import sign_in
from flowmend.sample.service.answers import Answer, header, read_body, refusal
from flowmend.sample.service.operations import OPERATIONS, Call, Operation
from flowmend.sample.service.service import OrderService

SignIn = Callable[[OrderService, Scope, Mapping[str, str]], sign_in.Caller | Answer]

SIGN_INS: Mapping[str, SignIn] = {"basic": sign_in.by_password, "key": sign_in.by_key, "oauth2": sign_in.by_token}


class Api:
    """Every operation offered under one prefix, which says how to sign in."""

    def __init__(self, service: OrderService, prefix: str) -> None:
        self._service = service
        self._prefix = prefix
        self._sign_in = SIGN_INS[prefix]
        # path without its item → method → (operation, the route's name)
        self._routes: dict[tuple[str, bool], dict[str, tuple[Operation, str]]] = {}
        for operation in OPERATIONS:
            if prefix in operation.only_under:
                collection, has_item = operation.path.split("/")[1], "{" in operation.path
                route = f"{operation.method} /{prefix}{operation.path}"
                self._routes.setdefault((collection, has_item), {})[operation.method] = (operation, route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/{prefix}/{collection}` or `/{prefix}/{collection}/{item}`."""
        segments = scope["path"].split("/")[2:]
        item = segments[1] if len(segments) > 1 else ""
        methods = self._routes.get((segments[0], bool(item))) if 1 <= len(segments) <= 2 else None
        if methods is None:
            await refusal(404, "NotFound", "There is no such route.")(scope, receive, send)
            return
        if scope["method"] not in methods:
            allow = (b"allow", ", ".join(methods).encode())
            await refusal(405, "MethodNotAllowed", "This route does not know that method.", allow)(scope, receive, send)
            return
        operation, route = methods[scope["method"]]
        answer = await self._answer(operation, route, item, scope, receive)
        self._service.answers[route][answer.status] += 1
        if self._service.latency_seconds:
            # After the effect: the caller that gives up meanwhile cannot know whether it happened.
            await asyncio.sleep(self._service.latency_seconds)
        await answer(scope, receive, send)

    async def _answer(self, operation: Operation, route: str, item: str, scope: Scope, receive: Receive) -> Answer:
        raw = await read_body(receive) if operation.decoder else b""
        if isinstance(raw, Answer):
            return raw
        query = dict(parse_qsl(str(scope["query_string"], "latin-1"))) if scope["query_string"] else {}
        caller = self._sign_in(self._service, scope, query)
        if isinstance(caller, Answer):
            self._service.refused_sign_ins[self._prefix] += 1
            return caller
        if caller.scopes is not None and operation.scope not in caller.scopes:
            return sign_in.lacking_scope(operation.scope)
        if route in self._service.forbidden_routes:
            return sign_in.lacking_permission(caller.account, route)
        body = None
        if operation.decoder:
            if not header(scope, b"content-type").lower().startswith("application/json"):
                return refusal(415, "UnsupportedMediaType", "Send the body as application/json.")
            try:
                body = operation.decoder.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return refusal(400, "InvalidBody", str(error))
        call = Call(
            account=caller.account,
            url=f"http://{header(scope, b'host')}{scope['path']}",
            item=item,
            query=query,
            idempotency_key=header(scope, b"idempotency-key"),
            body=body,
        )
        return operation.perform(self._service.book, call)
