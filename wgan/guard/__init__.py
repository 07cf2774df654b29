"""ASGI guards before a server: its own pages and names only, a reader who only lists, requests read to their end."""

from wgan.guard.names import LOOPBACK_NAMES, is_name_in, names_of
from wgan.guard.own_pages import SIGN_IN, OwnPages, basic_token
from wgan.guard.reader import Reader
from wgan.guard.whole_requests import WholeRequests

__all__ = ["LOOPBACK_NAMES", "SIGN_IN", "OwnPages", "Reader", "WholeRequests", "basic_token", "is_name_in", "names_of"]
