"""The command line: `hub`, also `python -m hub`. A command imports what it needs when it runs."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from hub.cli import admin, backup, channel, doctor, rules, simulate, tools
from hub.cli.terminal import fail, load, run_loop, say, sentence
from hub.model.errors import HubError, SettingsInvalid

app = typer.Typer(
    name="hub", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

for module in (admin, backup, channel, doctor, rules, simulate, tools):
    module.add_to(app)

HostOption = Annotated[str | None, typer.Option(help="Address to serve on (HUB_HOST).")]
PortOption = Annotated[int | None, typer.Option(help="Port to serve on (HUB_PORT).")]
DataOption = Annotated[Path | None, typer.Option(help="Data folder (HUB_DATA_DIR).")]


@app.command()
def serve(
    host: HostOption = None,
    port: PortOption = None,
    data_dir: DataOption = None,
    loops: Annotated[bool, typer.Option(help="Run the working loops here too.")] = True,
    demo: Annotated[bool, typer.Option("--demo", help="A living inbox, made up.")] = False,
    pace: Annotated[
        float, typer.Option(min=0.1, max=20.0, help="With --demo: how many times as lively.")
    ] = 1.0,
) -> None:
    """Serve HTTP and run the loops until SIGTERM."""
    from hub.app.logs import set_up_logging
    from hub.app.server import Mode
    from hub.app.server import serve as run

    if demo:
        serve_demo(host, port, data_dir, pace)
        return
    settings = load(host=host, port=port, data_dir=data_dir)
    set_up_logging(settings.log_level, settings.log_format)
    run_loop(run(settings, say, mode=Mode(work=loops)))


def serve_demo(host: str | None, port: int | None, data_dir: Path | None, pace: float) -> None:
    """Serve the demo from its own data folder, with everything around the hub simulated."""
    from hub.app.demo import DATA_DIR, Demo
    from hub.app.logs import set_up_logging
    from hub.app.server import serve as run

    settings = load(host=host, port=port, data_dir=data_dir)
    if settings.data_dir == Path("data"):  # nobody named another: the demo has its own
        settings = load(host=host, port=port, data_dir=DATA_DIR)
    set_up_logging(settings.log_level, settings.log_format)

    async def all_of_it() -> None:
        await run(settings, say, companion=Demo(settings, pace))

    try:
        run_loop(all_of_it())
    except SettingsInvalid as error:
        fail(sentence(error))


@app.command()
def worker(data_dir: DataOption = None) -> None:
    """Run the loops without HTTP, beside `serve --no-loops` (PostgreSQL)."""
    from hub.app.logs import set_up_logging
    from hub.app.server import Mode
    from hub.app.server import serve as run

    settings = load(data_dir=data_dir)
    if settings.on_sqlite:
        fail("a worker needs PostgreSQL: on SQLite one process does everything (hub serve)")
    set_up_logging(settings.log_level, settings.log_format)
    run_loop(run(settings, say, mode=Mode(http=False)))


@app.command()
def migrate(data_dir: DataOption = None) -> None:
    """Bring the database's tables to this version (SQLite: after a copy of the file)."""
    from hub.store import migrate as store

    settings = load(data_dir=data_dir)
    try:
        revision = store.migrate(settings.database)
    except HubError as error:
        fail(str(error))
    say(f"database is at revision {revision}")


@app.command()
def version() -> None:
    """Print the version."""
    from hub import __version__

    say(__version__)


def main() -> None:
    """Run the command line; errors of ours become one line and exit code 2."""
    try:
        app()
    except HubError as error:
        sys.stderr.write(f"hub: {error}\n")
        sys.exit(2)
    except asyncio.CancelledError:
        sys.exit(130)
