"""`hub simulate`: what another discipline, other rules or other staffing would lead to."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from hub.cli.terminal import fail, say
from hub.model.errors import BadInput
from hub.model.staff import Discipline


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    file: Annotated[Path, typer.Argument(help="A scenario; see docs/concepts/routing.md.")],
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Made-up days to average.")] = 5,
    discipline: Annotated[
        list[Discipline] | None, typer.Option(help="Compare: repeat the option.")
    ] = None,
    agents: Annotated[list[int] | None, typer.Option(help="Compare: so many equal agents.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Play made-up customers against the real router and say how long they wait."""
    from hub.cli.simulation import as_json as plain
    from hub.cli.simulation import read_scenario, scenario_of
    from hub.routing.erlang import Promise
    from hub.routing.simulate import simulate as play
    from hub.routing.simulate import staffing_hints

    if not file.is_file():
        fail(f"there is no file {file}")
    try:
        spec = read_scenario(yaml.safe_load(file.read_text()))
        variants = [
            scenario_of(spec, discipline=which, agents=number)
            for which in ((*discipline,) if discipline else (None,))
            for number in ((*agents,) if agents else (None,))
        ]
    except yaml.YAMLError:
        fail(f"{file} is neither YAML nor JSON")
    except BadInput as error:
        fail(f"{file}: {error.params.get('path')}: {error.params.get('reason')}")
    reports = _with_progress(variants, list(range(1, seeds + 1)), play)
    promise = Promise(0.8, spec.within_s)
    hints = {
        one.name: staffing_hints(one, promise, variants[0].duration_s)
        for one in variants[0].streams
    }
    if as_json:
        say(json.dumps({"reports": [plain(one) for one in reports], "agents_needed": hints}))
        return
    _show(reports, hints, spec.within_s)


def _with_progress(variants: list[Any], seeds: list[int], play: Any) -> list[Any]:
    from rich.console import Console
    from rich.progress import Progress

    reports = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for scenario in variants:
            task = progress.add_task(scenario.name, total=1.0)

            def tell(share: float, task: Any = task) -> None:
                progress.update(task, completed=share)

            reports.append(play(scenario, seeds, tell))
    return reports


def _show(reports: list[Any], hints: dict[str, list[int]], within_s: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for report in reports:
        table = Table(title=f"{report.scenario} ({report.seeds} seeds, ± 95 %)")
        table.add_column("stream")
        heads = ("arrivals", f"in {within_s:g} s", "", "waited", "gave up", "mean wait", "longest")
        for head in heads:
            table.add_column(head, justify="left" if not head else "right")
        for line in report.lines:
            table.add_row(
                line.stream, f"{line.arrivals.mean:.0f}", _share(line.answered_in_time),
                "█" * round(10 * line.answered_in_time.mean), _share(line.waited),
                _share(line.abandoned), _seconds(line.mean_wait_s), _seconds(line.longest_wait_s),
            )  # fmt: skip
        console.print(table)
    for name, numbers in hints.items():
        console.print(
            f"{name}: agents needed per half hour for 80 % in {within_s:g} s if alone (Erlang): "
            + " ".join(str(number) for number in numbers)
        )


def _share(value: Any) -> str:
    return f"{value.mean:.1%}" + (f" ±{100 * value.half_width:.1f}" if value.half_width else "")


def _seconds(value: Any) -> str:
    return f"{value.mean:.1f}" + (f" ±{value.half_width:.1f}" if value.half_width else "")
