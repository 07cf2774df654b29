"""What stands before a server that does not ask where a request comes from: no other page, under no other name."""

from wgan.guard.own_pages import SIGN_IN, OwnPages, basic_token, names_of

__all__ = ["SIGN_IN", "OwnPages", "basic_token", "names_of"]
