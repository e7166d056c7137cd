"""Tokens to syntax: a recursive descent over the grammar in `syntax`."""

from flowmend.core.expression.scanning import Token, TokenKind, invalid, scan
from flowmend.core.expression.syntax import Call, Hop, Literal, Node

DEEPEST_NESTING = 150
_KEYWORDS = {"null": None, "true": True, "false": False}


def parse(text: str) -> Node:
    """The syntax of one bare expression, without a leading `@`.

    Errors: ExpressionError naming the column.
    """
    parser = _Parser(text)
    node = parser.expression(0)
    parser.expect(TokenKind.END)
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = scan(text)
        self._next = 0

    def expression(self, depth: int) -> Node:
        if depth > DEEPEST_NESTING:
            raise invalid(self._text, self._peek().start, f"nested deeper than {DEEPEST_NESTING} levels")
        token = self._take()
        if token.kind in (TokenKind.STRING, TokenKind.NUMBER):
            return Literal(value=token.value, start=token.start, end=token.end)
        if token.kind is not TokenKind.NAME:
            raise invalid(self._text, token.start, f"expected an expression but found {token.kind}")
        if self._peek().kind is TokenKind.OPEN:
            return self._call(token, depth)
        if token.value.lower() in _KEYWORDS:
            return Literal(value=_KEYWORDS[token.value.lower()], start=token.start, end=token.end)
        raise invalid(self._text, token.start, f"'{token.value}' is neither a literal nor a function call")

    def expect(self, kind: TokenKind) -> Token:
        token = self._take()
        if token.kind is not kind:
            raise invalid(self._text, token.start, f"expected {kind} but found {token.kind}")
        return token

    def _call(self, name: Token, depth: int) -> Call:
        self.expect(TokenKind.OPEN)
        arguments: list[Node] = []
        if self._peek().kind is not TokenKind.CLOSE:
            arguments.append(self.expression(depth + 1))
            while self._peek().kind is TokenKind.COMMA:
                self._take()
                arguments.append(self.expression(depth + 1))
        end = self.expect(TokenKind.CLOSE).end
        hops: list[Hop] = []
        while self._peek().kind in (TokenKind.QUESTION, TokenKind.DOT, TokenKind.OPEN_BRACKET):
            hop, end = self._hop(depth)
            hops.append(hop)
        return Call(name=name.value, arguments=tuple(arguments), hops=tuple(hops), start=name.start, end=end)

    def _hop(self, depth: int) -> tuple[Hop, int]:
        is_safe = self._peek().kind is TokenKind.QUESTION
        if is_safe:
            self._take()
        opening = self._take()
        if opening.kind is TokenKind.DOT:
            name = self.expect(TokenKind.NAME)
            return Hop(key=Literal(value=name.value, start=name.start, end=name.end), is_safe=is_safe), name.end
        if opening.kind is not TokenKind.OPEN_BRACKET:
            raise invalid(self._text, opening.start, f"expected '.' or '[' after '?' but found {opening.kind}")
        key = self.expression(depth + 1)
        return Hop(key=key, is_safe=is_safe), self.expect(TokenKind.CLOSE_BRACKET).end

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        if token.kind is not TokenKind.END:
            self._next += 1
        return token
