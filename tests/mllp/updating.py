"""A TLS client without a socket that asks for new keys (KeyUpdate), which Python's own TLS does not do."""

import ctypes
import ctypes.util

import pytest


def library():
    """OpenSSL's libssl and libcrypto as this machine has them."""
    found = [ctypes.util.find_library(name) for name in ("ssl", "crypto")]
    if None in found:
        pytest.skip("there is no libssl here")
    return [ctypes.CDLL(name) for name in found]


class Updating:
    """Its bytes are taken and given by the test."""

    def __init__(self):
        self._ssl, self._crypto = library()
        pointer = ctypes.c_void_p
        for lib, name, result, asked in (
            (self._ssl, "TLS_client_method", pointer, ()),
            (self._ssl, "SSL_CTX_new", pointer, (pointer,)),
            (self._ssl, "SSL_new", pointer, (pointer,)),
            (self._ssl, "SSL_set_bio", None, (pointer, pointer, pointer)),
            (self._ssl, "SSL_connect", ctypes.c_int, (pointer,)),
            (self._ssl, "SSL_key_update", ctypes.c_int, (pointer, ctypes.c_int)),
            (self._ssl, "SSL_do_handshake", ctypes.c_int, (pointer,)),
            (self._ssl, "SSL_write", ctypes.c_int, (pointer, ctypes.c_char_p, ctypes.c_int)),
            (self._crypto, "BIO_s_mem", pointer, ()),
            (self._crypto, "BIO_new", pointer, (pointer,)),
            (self._crypto, "BIO_read", ctypes.c_int, (pointer, ctypes.c_char_p, ctypes.c_int)),
            (self._crypto, "BIO_write", ctypes.c_int, (pointer, ctypes.c_char_p, ctypes.c_int)),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, asked
        self._in, self._out = (self._crypto.BIO_new(self._crypto.BIO_s_mem()) for _ in range(2))
        self._wire = self._ssl.SSL_new(self._ssl.SSL_CTX_new(self._ssl.TLS_client_method()))
        self._ssl.SSL_set_bio(self._wire, self._in, self._out)

    def connect(self):
        """One step of the handshake; whether it is complete."""
        return self._ssl.SSL_connect(self._wire) == 1

    def update(self, times):
        """Ask for new keys on both sides, so often."""
        for _ in range(times):
            assert self._ssl.SSL_key_update(self._wire, 1) == 1
            assert self._ssl.SSL_do_handshake(self._wire) == 1

    def write(self, data):
        assert self._ssl.SSL_write(self._wire, data, len(data)) == len(data)

    def take(self):
        """What it sends."""
        room = ctypes.create_string_buffer(1 << 20)
        size = self._crypto.BIO_read(self._out, room, len(room))
        return room.raw[: max(size, 0)]

    def give(self, data):
        """What comes from the other side."""
        assert self._crypto.BIO_write(self._in, data, len(data)) == len(data)
