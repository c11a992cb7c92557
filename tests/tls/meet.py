"""A handshake of our own contexts in memory, and what each side says of the other."""

from contextlib import suppress

from OpenSSL import SSL

from engine.tls.context import context_of, ssl_words
from engine.tls.meeting import Meeting


class Side:
    """What OpenSSL's callback looks for."""

    def __init__(self, context):
        self.meeting = Meeting()
        self.ssl = SSL.Connection(context, None)
        self.ssl.set_app_data(self)
        self.broken = False
        self.why = ""  # in words, as a wire tells it

    def step(self):
        if not self.broken:
            try:
                self.ssl.do_handshake()
                self.ssl.recv(1)  # in TLS 1.3 a server refuses only after the client's handshake
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                self.broken, self.why = True, ssl_words(error)


def meet(server, client):
    """The problem that the server's side had, and the client's; a plan, or a context that is no engine's."""
    return tuple(one.meeting.problem or ("refused" if one.broken else "") for one in _met(server, client))


def heard(server, client):
    """As `meet`, in the words of a wire: what the other side said in its alert."""
    return tuple(one.meeting.problem or one.why for one in _met(server, client))


def _met(server, client):
    sides = [Side(one if isinstance(one, SSL.Context) else context_of(one)) for one in (server, client)]
    sides[0].ssl.set_accept_state()
    sides[1].ssl.set_connect_state()
    for _ in range(6):
        for one, other in (sides, sides[::-1]):
            one.step()
            with suppress(SSL.WantReadError):
                other.ssl.bio_write(one.ssl.bio_read(1 << 20))
    return sides
