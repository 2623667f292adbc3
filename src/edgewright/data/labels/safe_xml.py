"""XML without what makes it dangerous: document types, entities, depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from edgewright.errors import DataError

_MAX_DEPTH = 32


def parse_xml(text: str, path: Path) -> Element:
    """The root element of an XML document.

    A document type declaration is refused, for it is the only way to entities that expand without end or read files.

    Raises:
        DataError: malformed, with a document type, or nested deeper than labels are.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise DataError("this XML file is nested too deeply for labels", where=_place(path, parser))
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: Any) -> None:
        raise DataError(
            "this XML file declares a document type, which labels do not need",
            where=_place(path, parser),
            why="entities that it defines may read files or fill the memory",
            todo="remove the <!DOCTYPE ...> declaration if you trust the file",
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise DataError("this file is not valid XML", where=_place(path, parser), why=str(error)) from None
    return builder.close()


def _place(path: Path, parser: expat.XMLParserType) -> str:
    return f"{path}:{parser.CurrentLineNumber}"
