"""A feed as bytes to its items: RSS 2.0 and what came before it, RSS 1.0 and Atom. Loads lxml, so import it on first use.

What does not read of an item is left empty. Entities of a document's own stay as they are written, for they are how XML
explodes and reads files.
Source: https://www.rssboard.org/rss-specification, RFC 4287 (Atom).
"""

import hashlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lxml import etree

from flowmend.core.json_value import Json
from flowmend.transport.operation_arguments import refuse

_ATOM = "{http://www.w3.org/2005/Atom}"
_RSS_1 = "{http://purl.org/rss/1.0/}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_MOST_ITEMS = 1_000
_LONGEST_TEXT = 200_000


def read_feed(data: bytes) -> list[dict[str, Json]]:
    """The items in the feed's own order. Errors: Refused where it is no feed."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True, remove_comments=True
    )
    try:
        root = etree.fromstring(data.strip(), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    # A feed of 1999 names its document type; entities are not resolved in any case.
    if root is None or root.tag not in {"rss", f"{_ATOM}feed", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}RDF"}:
        refuse("rss", 415, "NotAFeed", "What is at this address is no RSS or Atom feed.")
    found = root.findall("channel/item") + root.findall(f"{_RSS_1}item") + root.findall(f"{_ATOM}entry")
    return [_atom(item) if item.tag.startswith(_ATOM) else _rss(item) for item in found[:_MOST_ITEMS]]


def _atom(item: "etree._Element") -> dict[str, Json]:
    links = [link for link in item.findall(f"{_ATOM}link") if link.get("href")]
    primary = next((link for link in links if link.get("rel", "alternate") == "alternate"), None)
    updated = _moment(_text(item, f"{_ATOM}updated"))
    return _item(
        name=_text(item, f"{_ATOM}id"),
        title=_text(item, f"{_ATOM}title"),
        link=str(primary.get("href")) if primary is not None else "",
        links=[str(link.get("href")) for link in links],
        published=_moment(_text(item, f"{_ATOM}published")) or updated,
        updated=updated,
        summary=_text(item, f"{_ATOM}summary") or _text(item, f"{_ATOM}content"),
        rights=_text(item, f"{_ATOM}rights"),
        categories=[str(one.get("term")) for one in item.findall(f"{_ATOM}category") if one.get("term")],
    )


def _rss(item: "etree._Element") -> dict[str, Json]:
    space = _RSS_1 if item.tag.startswith(_RSS_1) else ""
    link = _text(item, f"{space}link")
    published = _moment(_text(item, "pubDate") or _text(item, f"{_DUBLIN_CORE}date"))
    return _item(
        name=_text(item, "guid") or str(item.get(_ABOUT) or ""),
        title=_text(item, f"{space}title"),
        link=link,
        links=[link] if link else [],
        published=published,
        updated=published,
        summary=_text(item, f"{space}description") or _text(item, f"{_CONTENT}encoded"),
        rights=_text(item, f"{_DUBLIN_CORE}rights"),
        categories=[text for one in item.findall("category") if (text := _all_text(one))],
    )


def _item(
    *,
    name: str,
    title: str,
    link: str,
    links: list[str],
    published: str | None,
    updated: str | None,
    summary: str,
    rights: str,
    categories: list[str],
) -> dict[str, Json]:
    """An item by the names under which flows read it. An item without a name of its own is known by what it says."""
    digest = hashlib.sha256("\n".join((title, link, published or "", summary)).encode("utf-8", "replace")).hexdigest()
    return {
        "id": name or link or digest[:32],
        "title": title,
        "primaryLink": link,
        "links": links,
        "updatedOn": updated,
        "publishDate": published,
        "summary": summary,
        "copyright": rights,
        "categories": categories,
    }


def _text(item: "etree._Element", name: str) -> str:
    found = item.find(name)
    return _all_text(found) if found is not None else ""


def _all_text(element: "etree._Element") -> str:
    """An element's text, tags left out, as Atom's XHTML has them."""
    return "".join(str(piece) for piece in element.itertext()).strip()[:_LONGEST_TEXT]


def _moment(text: str) -> str | None:
    """A feed's date, of RFC 822 or ISO 8601, as ISO 8601 in UTC; None where it does not read."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return None
