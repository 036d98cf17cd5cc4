"""The command line."""

import typer

from pixyproxy.cli.checking import fsck, migrate_images, stats, verify
from pixyproxy.cli.generating import generate, generations
from pixyproxy.cli.moving import export, import_
from pixyproxy.cli.pruning import prune_variants
from pixyproxy.cli.serving import export_schema, migrate, serve, version

cli = typer.Typer(
    help="PixyProxy has images drawn by a model and keeps them, with their prompts, for good.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    serve,
    generate,
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
cli.command("import")(import_)
cli.add_typer(generations, name="generations")


def main() -> None:
    """Run the command line."""
    cli()
