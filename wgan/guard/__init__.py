"""ASGI guards in front of a server: they refuse other origins and host names, and read requests completely."""

from wgan.guard.names import LOOPBACK_NAMES, is_name_in, names_of
from wgan.guard.own_pages import SIGN_IN, OwnPages, basic_token
from wgan.guard.whole_requests import WholeRequests

__all__ = ["LOOPBACK_NAMES", "SIGN_IN", "OwnPages", "WholeRequests", "basic_token", "is_name_in", "names_of"]
