"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """A file, folder or flag cannot be used as it is.

    The message is one line that names the file or flag, what was found and what would be right.
    Commands print it as it is and exit with 1.
    """
