"""XML from strangers: elements and their text alone, no entities, no declarations of types."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import TreeBuilder
from xml.parsers import expat

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LARGEST = 16 << 20


def parse_xml(content: bytes) -> Element:
    """The tree of a document.

    Raises:
        ValueError: it is broken, too large, or declares a type, through which entities come.
    """
    if len(content) > LARGEST:
        raise ValueError(f"the XML is larger than {LARGEST:,} bytes")
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("the XML declares a document type, which no annotation needs")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"the XML is broken: {error}") from error
    return builder.close()
