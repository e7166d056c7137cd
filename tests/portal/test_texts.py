"""No text goes untranslated: the catalogues hold what the sources say, and the sources say nothing outside them."""

import re

import pytest
from babel.messages.catalog import Catalog
from jinja2 import Environment

from portal.texts import PORTAL, TRANSLATED, compiled, extracted, missing, po_path, read_catalogue

ANY_CATALOGUE = pytest.mark.parametrize("folder", TRANSLATED)
_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")


def _ids(catalogue: Catalog) -> set[str]:
    return {repr(one.id) for one in catalogue if one.id}


@ANY_CATALOGUE
def test_every_text_is_translated(folder: str) -> None:
    catalogue = read_catalogue(folder)
    assert list(missing(catalogue)) == []
    assert _ids(extracted()) - _ids(catalogue) == set()


@ANY_CATALOGUE
def test_a_catalogue_keeps_no_text_that_is_gone(folder: str) -> None:
    assert _ids(read_catalogue(folder)) - _ids(extracted()) == set()


@ANY_CATALOGUE
def test_the_compiled_catalogue_is_the_written_one(folder: str) -> None:
    assert po_path(folder).with_suffix(".mo").read_bytes() == compiled(read_catalogue(folder))


@ANY_CATALOGUE
def test_a_translation_fills_in_the_same_values(folder: str) -> None:
    for message in read_catalogue(folder):
        if not message.id:
            continue
        plural = message.id[-1] if isinstance(message.id, (tuple, list)) else message.id
        words = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        for one in words:
            wanted, found = set(_PLACEHOLDER.findall(plural)), set(_PLACEHOLDER.findall(one))
            assert found == wanted, message.id


def test_a_template_says_nothing_outside_the_catalogue() -> None:
    environment = Environment(autoescape=True, extensions=["jinja2.ext.i18n", "jinja2.ext.do"])
    ours = {
        "Flowmend",
        "flowmend",
        "token",
        "login",
        "connector",
        "add",
        "FOLDER",
        "narrow",
        "wide",
        "slim",
        "required",
    }  # names, commands, classes, an attribute
    for path in sorted((PORTAL / "templates").glob("*.html")):
        data = "".join(
            text if kind == "data" else "{}" for _, kind, text in environment.lex(path.read_text(encoding="utf-8"))
        )
        shown = re.sub(r"<[^<>]*>|[\w-]+=\"[^\"]*\"|/\w+/", " ", data)  # without tags, attributes and addresses
        words = set(re.findall(r"[A-Za-z]{2,}", re.sub(r"&\w+;", " ", shown))) - ours
        assert words == set(), f"{path.name} says {sorted(words)} in one language only"
