"""Twisted's epoll reactor without the TLS that it would load beside it: 12 MB for a site that has none.

Where a site has TLS, engine.mllp.tls puts it around plain connections; `listenSSL` and `startTLS` are not used.
"""

import sys
from typing import Any

_TLS_OF_TWISTED = ("twisted.internet._newtls", "twisted.internet.ssl", "twisted.protocols.tls")


def epoll_reactor() -> Any:
    """Install the reactor of this process and return it; call it before anything imports another."""
    hidden = [name for name in _TLS_OF_TWISTED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None: not to be imported
    try:
        from twisted.internet import epollreactor  # noqa: PLC0415 - as the docstring says

        epollreactor.install()  # type: ignore[no-untyped-call] # Twisted leaves it untyped
        from twisted.internet import reactor  # noqa: PLC0415 - importing it earlier would choose another
    finally:
        for name in hidden:
            del sys.modules[name]
    return reactor
