"""Bytes that a fuzzer begins with, and the words it puts together."""

from tests.site_copy import ROOT

WORDS = (
    *(b"\x0b", b"\x1c", b"\x1c\r", b"\r", b"\n", b"\r\n", b"|", b"^", b"~", b"\\", b"&", b"#", b'""'),
    *(
        b"MSH|^~\\&|",
        b"FHS|^~\\&|",
        b"BHS|^~\\&|",
        b"BTS|1",
        b"FTS|1",
        b"\rPID|",
        b"\rOBX|",
        b"\rZDS|",
        b"\xef\xbb\xbf",
    ),
    *(b"ADT^A01", b"ORM^O01", b"ORU^R01", b"ZRD^Z01", b"|P|2.5.1", b"|T|2.3", b"|NE|NE", b"|AL|ER", b"|SU|"),
    *(b"\\F\\", b"\\X0D\\", b"\\XZZ\\", b"\\.br\\", b"\\E\\", b"\\H\\", b"\\Z", b"\\C2842\\", b"\\M244221\\"),
    *(b"8859/1", b"UNICODE UTF-8", b"ISO IR87", b"KS X 1001", b"GB 18030-2000", b"BIG-5", b"~ISO IR159"),
    *(b"\x1b$B", b"\x1b(B", b"\x1b(J", b"\x1b$(D", b"\x81|", b"\xa4\xa4", b"\xc3\xa9", b"\xff\xfe", b"\xed\xa0\x80"),
)
_HEADER = b"MSH|^~\\&|A|B|C|D|20260819||ADT^A01^ADT_A01|X1|P|2.5.1|||AL|NE||8859/1\rPID|1||1^^^H^MR||DOE^J\\T\\R\r"


def seeds() -> list[bytes]:
    """Messages of the shipped site in several dresses, each with a byte in front that targets use to choose."""
    samples = [
        file.read_bytes().replace(b"\n", b"\r") for file in sorted((ROOT / "channels" / "samples").glob("*.hl7"))[:12]
    ]
    batch = b"FHS|^~\\&|A\rBHS|^~\\&|A|||||||||B1\r" + _HEADER + _HEADER + b"BTS|2\rFTS|1\r"
    plain = [_HEADER, batch, *samples]
    return [b"\0" + one for one in plain] + [b"\xf0\x07\x0b" + one + b"\x1c\r" for one in plain] + list(WORDS)
