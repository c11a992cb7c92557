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


def say_refused(context: SSL.Context) -> None:
    """Let the peer be told that its certificate was refused also where only our own callback refuses it.

    OpenSSL makes the alert of the error of the verification, and pyOpenSSL's callback cannot set one: without it the alert is
    internal_error, which says that we are broken. CERT_REJECTED becomes bad_certificate (RFC 8446, 6.2). Call it after
    `set_verify`.
    """
    handle: Any = context
    asked = handle._verify_callback  # noqa: SLF001 - as above

    @_ffi.callback("int (*)(int, X509_STORE_CTX *)")  # type: ignore[untyped-decorator] # as above
    def verify(ok: int, store: Any) -> int:
        taken: int = asked(ok, store)
        if not taken and _bindings.X509_STORE_CTX_get_error(store) == _bindings.X509_V_OK:
            _bindings.X509_STORE_CTX_set_error(store, _bindings.X509_V_ERR_CERT_REJECTED)
        return taken

    handle._verify_callback = verify  # noqa: SLF001 - it lives as long as the context
    _bindings.SSL_CTX_set_verify(handle._context, context.get_verify_mode(), verify)  # noqa: SLF001 - as above


def error_string(error: int) -> str:
    """OpenSSL's own words for an X509_V_ERR_...; fixed ones."""
    return str(_ffi.string(_bindings.X509_verify_cert_error_string(error)).decode("ascii", "replace"))
