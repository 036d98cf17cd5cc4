"""What a file says of where its picture comes from, for machines: IPTC's digital source type.

EU AI Act, Article 50(2): generated images are to be marked in a machine-readable form. The terms
are those of https://cv.iptc.org/newscodes/digitalsourcetype/, carried in XMP.
"""

import re

TRAINED = "trainedAlgorithmicMedia"
"""A model drew it that was trained on sampled content."""
ALGORITHMIC = "algorithmicMedia"
"""A program drew it that was trained on nothing."""
PNG_XMP = "XML:com.adobe.xmp"
"""The keyword of the text chunk that has a PNG's XMP."""

_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_TERM = re.compile(re.escape(_TERMS).encode() + rb"([A-Za-z]{1,100})\b")
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    "<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)


def make_xmp(term: str) -> bytes:
    """Return the XMP packet that says it."""
    return _PACKET.format(source=_TERMS + term).encode()


def read_term(xmp: bytes) -> str:
    """Return the term that an image's XMP has; where it has none, a trained model drew it."""
    found = _TERM.search(xmp)
    return found[1].decode() if found else TRAINED
