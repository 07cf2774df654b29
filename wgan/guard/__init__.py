"""What stands before a server that does not ask where a request comes from: no other page, under no other name."""

from wgan.guard.names import LOOPBACK_NAMES, is_name_in, names_of
from wgan.guard.own_pages import SIGN_IN, OwnPages, basic_token

__all__ = ["LOOPBACK_NAMES", "SIGN_IN", "OwnPages", "basic_token", "is_name_in", "names_of"]
