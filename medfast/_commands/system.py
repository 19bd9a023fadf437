"""Commands about the installation: info, bench, demo."""

import json
from pathlib import Path
from typing import Annotated

import typer

from medfast import runtime
from medfast._commands import terminal
from medfast._commands.app import app, fail
from medfast._files import whole_file


@app.command()
def info(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what runs: the CPU level of each kernel, the threads, and where each number came from."""
    if as_json:
        print(json.dumps(runtime.info(), indent=2))
    else:
        runtime.show()


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="The short run: a few cases, few rounds.")] = False,
    cases: Annotated[
        list[str] | None, typer.Option("--cases", help="Cases by the beginning of their names: nlm,clahe-uint8.")
    ] = None,
    threads: Annotated[
        list[str] | None, typer.Option("--threads", help="Thread counts: 1,2. One and all where omitted.")
    ] = None,
    levels: Annotated[
        list[str] | None, typer.Option("--levels", help="CPU levels, or `all`. The present one where omitted.")
    ] = None,
    memory: Annotated[bool, typer.Option("--memory", help="Also measure the memory at its peak (Linux).")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", help="Draw the ratios into this file.")] = None,
) -> None:
    """Measure medfast beside the libraries whose results it gives; results are compared before they are timed."""
    from medfast.bench import cases as registry
    from medfast.bench import runner, table

    names, counts, asked = terminal.listed(cases), terminal.listed(threads), terminal.listed(levels)
    for path in filter(None, (json_file, plot_file)):
        terminal.check_writable(path)
    if plot_file is not None:
        from medfast.bench import plot

        plot.check(plot_file)
    supported = runtime.info()["supported_levels"]
    if asked == ("all",):
        asked = tuple(reversed(supported))
    for level in asked:
        if level not in supported:
            raise typer.BadParameter(
                f"{level!r} cannot run here; choose from {', '.join(supported)}", param_hint="--levels"
            )
    try:
        chosen = registry.select(names, quick=quick)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--cases") from None
    if not all(count.isdigit() and int(count) > 0 for count in counts):
        raise typer.BadParameter(f"{','.join(counts)!r} are no thread counts", param_hint="--threads")
    with terminal.progress_bar("measuring") as progress:
        results = runner.run(
            chosen,
            threads=[int(count) for count in counts],
            levels=asked,
            rounds=runner.ROUNDS_QUICK if quick else runner.ROUNDS,
            with_memory=memory,
            progress=progress,
        )
    terminal.output().print(table.terminal_table(results))
    if json_file is not None:
        with whole_file(json_file) as file:
            file.write((json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())
    if plot_file is not None:
        plot.write(results, plot_file)
    refused = [record["title"] for record in results["results"] if "refused" in record]
    if refused:
        fail(f"wrong results, not timed: {', '.join(dict.fromkeys(refused))}")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = Path("demo"),
    threads: terminal.Threads = None,
) -> None:
    """Run the whole job on the real images that nilearn and pydicom carry, and write a report."""
    from medfast import demo as showcase

    with terminal.progress_bar("demo") as progress:
        showcase.run(output, progress=progress, num_threads=threads)
