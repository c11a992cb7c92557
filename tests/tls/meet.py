"""A handshake of our own contexts in memory, and what each side says of the other."""

from contextlib import suppress

from OpenSSL import SSL

from engine.tls.context import context_of
from engine.tls.meeting import Meeting


class Side:
    """What OpenSSL's callback looks for."""

    def __init__(self, context):
        self.meeting = Meeting()
        self.ssl = SSL.Connection(context, None)
        self.ssl.set_app_data(self)
        self.broken = False

    def step(self):
        if not self.broken:
            try:
                self.ssl.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error:
                self.broken = True


def meet(server, client):
    """The problem that the server's side had, and the client's; a plan, or a context that is no engine's."""
    sides = [Side(one if isinstance(one, SSL.Context) else context_of(one)) for one in (server, client)]
    sides[0].ssl.set_accept_state()
    sides[1].ssl.set_connect_state()
    for _ in range(6):
        for one, other in (sides, sides[::-1]):
            one.step()
            with suppress(SSL.WantReadError):
                other.ssl.bio_write(one.ssl.bio_read(1 << 20))
    return tuple(one.meeting.problem or ("refused" if one.broken else "") for one in sides)
