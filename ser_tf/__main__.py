"""`python -m ser_tf`: what commands there are, a line each."""

import ast
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Sequence

import ser_tf
from ser_tf.commandline.command import command, make_parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Lists the commands."""
    make_parser("", "List the commands of ser_tf.").parse_args(argv)
    rows = list(_commands())
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:{width}}  {says}" for name, says in rows]
    sys.stdout.write("\n".join(["Commands, each with --help:", *lines, ""]))
    return 0


def _commands() -> Iterator[tuple[str, str]]:
    """Each command with what its docstring says of it; none is imported for that."""
    for module in pkgutil.iter_modules(ser_tf.__path__, "ser_tf."):
        name = f"python -m {module.name}"
        title, _, says = _docstring(module.name).partition(": ")
        if title == f"`{name}`":
            yield name, says


def _docstring(module: str) -> str:
    """The first line of a module's docstring."""
    spec = importlib.util.find_spec(module)
    get_source = getattr(spec and spec.loader, "get_source", None)
    source = get_source(module) if get_source else None
    return (ast.get_docstring(ast.parse(source or "")) or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
