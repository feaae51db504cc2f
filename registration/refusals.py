"""The base class of all refusals, so that one handler can show them."""


class Refusal(Exception):
    """A request that the service does not carry out; its text is one plain sentence."""
