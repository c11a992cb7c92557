"""What OpenSSL can do and pyOpenSSL has no method for, through the bindings that both are made of."""

from typing import Any

from OpenSSL import SSL

from engine.errors import ConfigError

_CURVES = b"X25519:P-256:P-384:P-521"  # P-521 for certificates that have such a key
GROUPS = (b"X25519MLKEM768:" + _CURVES, _CURVES)  # the second where OpenSSL is older than 3.5

_bindings: Any = SSL._lib  # type: ignore[attr-defined] # noqa: SLF001 - see above
_ffi: Any = SSL._ffi  # type: ignore[attr-defined] # noqa: SLF001 - as above


def only_elliptic_curves(context: SSL.Context) -> None:
    """Let TLS 1.3 agree on keys with elliptic curves only, and no finite-field Diffie-Hellman (RFC 9325, 4.2).

    Raises ConfigError where OpenSSL knows none of them.
    """
    handle = context._context  # noqa: SLF001 - as above
    if not any(_bindings.SSL_CTX_set1_curves_list(handle, groups) == 1 for groups in GROUPS):
        raise ConfigError("OpenSSL knows none of the curves X25519, P-256 and P-384")
    _bindings.ERR_clear_error()


def error_string(error: int) -> str:
    """OpenSSL's own words for an X509_V_ERR_...; fixed ones."""
    return str(_ffi.string(_bindings.X509_verify_cert_error_string(error)).decode("ascii", "replace"))
