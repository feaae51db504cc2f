"""The base of everything the service refuses, so that one handler can phrase it."""


class Refusal(Exception):
    """Something asked for that is not done, named as a fact; its text is one plain sentence."""
