"""The command line."""

import typer

from pixyproxy.cli.checking import fsck, migrate_images, stats, verify
from pixyproxy.cli.deleting import delete, trash
from pixyproxy.cli.finding import search, tag
from pixyproxy.cli.generating import generate, generations
from pixyproxy.cli.moving import export, import_
from pixyproxy.cli.pruning import prune_variants
from pixyproxy.cli.serving import check, common, export_schema, migrate, serve, version
from pixyproxy.cli.terminal import use_any_encoding

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    serve,
    check,
    generate,
    search,
    tag,
    delete,
    migrate,
    export,
    migrate_images,
    verify,
    fsck,
    prune_variants,
    stats,
    export_schema,
    version,
):
    cli.command()(command)
cli.callback(no_args_is_help=True)(common)
cli.command("import")(import_)
cli.add_typer(generations, name="generations")
cli.add_typer(trash, name="trash")


def main() -> None:
    """Run the command line."""
    use_any_encoding()
    cli()
