"""Ends what a parser and the object whose methods it calls hold of each other: such a circle, with all that was read, stays until garbage is looked for."""

from xml.parsers import expat


def let_go(parser: expat.XMLParserType) -> None:
    """The parser calls nothing any more."""
    parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = parser.StartDoctypeDeclHandler = None
