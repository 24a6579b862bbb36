"""What stops a command, in words for the user."""


class Refused(Exception):
    """The message says what is wrong and what to do."""
