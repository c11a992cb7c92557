"""The words of MSH-18: table 0211, numbers of the international register, and the spellings that senders use."""

from typing import Final

# without blanks, `/ _ . : -` and in upper case
NAMES: Final = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "LATIN1": "iso8859_1",
    "UNICODE": "utf-8",  # the deprecated word; what starts with the bytes MSH can be no other encoding of Unicode
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "UNICODEUTF16": "utf-16",
    "UTF16": "utf-16",
    "UTF16LE": "utf-16",
    "UTF16BE": "utf-16",
    "UNICODEUTF32": "utf-32",
    "UTF32": "utf-32",
    "KSX1001": "euc_kr",
    "KSC5601": "euc_kr",
    "EUCKR": "euc_kr",
    "UHC": "cp949",
    "CP949": "cp949",
    "MS949": "cp949",
    "BIG5": "cp950",  # as senders mean it: with what Windows adds
    "CP950": "cp950",
    "MS950": "cp950",
    "BIG5HKSCS": "big5hkscs",
    "GB18030": "gb18030",
    "GB180302000": "gb18030",
    "GB180302005": "gb18030",
    "GBK": "gbk",
    "CP936": "gbk",
    "MS936": "gbk",
    "GB2312": "gb2312",
    "EUCCN": "gb2312",
    "EUCJP": "euc_jp",
    "SHIFTJIS": "cp932",  # as above
    "SJIS": "cp932",
    "MSKANJI": "cp932",
    "WINDOWS31J": "cp932",
    "CP932": "cp932",
    "MS932": "cp932",
    "ISO2022JP": "jisx0208",
    "JISX0201": "jisx0201",
    "JISX0208": "jisx0208",
    "JISX0212": "jisx0212",
    "TIS620": "iso8859_11",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
}

# `ISO IR14`, `ISO_IR 100` and `ISO 2022 IR 87` by their number
REGISTERED: Final = {
    6: "ascii",
    13: "jisx0201",
    14: "jisx0201",
    58: "gb2312",
    87: "jisx0208",
    100: "iso8859_1",
    101: "iso8859_2",
    109: "iso8859_3",
    110: "iso8859_4",
    126: "iso8859_7",
    127: "iso8859_6",
    138: "iso8859_8",
    144: "iso8859_5",
    148: "iso8859_9",
    149: "euc_kr",
    157: "iso8859_10",
    159: "jisx0212",
    166: "iso8859_11",
    179: "iso8859_13",
    192: "utf-8",
    199: "iso8859_14",
    203: "iso8859_15",
    226: "iso8859_16",
}

# what we write where a codec's own name is not the word of table 0211
WORDS: Final = {
    "utf-8": "UNICODE UTF-8",
    "euc_kr": "KS X 1001",
    "cp949": "KS X 1001",
    "cp950": "BIG-5",
    "big5hkscs": "BIG-5",
    "gb18030": "GB 18030-2000",
    "jisx0201": "ISO IR14",
    "jisx0208": "ISO IR87",
    "jisx0212": "ISO IR159",
}

# a set -> a larger one that senders mean by the same word
WIDER: Final = {
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp950": "big5hkscs",
}
