"""What ``rowmac estimate`` works out and prints."""

import argparse
from dataclasses import asdict, replace
from typing import Any

from models.machine_spec import MachineSpec

from ..boards import Board, UnknownBoard, find
from ..errors import UserError
from ..machines import default_machine
from .estimate import SPEC_FIELDS
from .table import table

__all__ = ["show"]


def show(options: argparse.Namespace) -> dict[str, Any]:
    """Estimate and print; returns the same as data."""
    try:
        board = find(options.board)
    except UnknownBoard as error:
        raise UserError(str(error)) from None
    spec = _machine(board, options)
    clock = options.clock or board.clock_mhz
    result: dict[str, Any] = {
        "board": board.name,
        "machine": {k: v for k, v in asdict(spec).items() if k != "classes"}
        | {"classes": [f"{c.format}:{c.rows}" for c in spec.classes]},
        "macs_per_cycle": spec.macs_per_cycle,
        "assumed_clock_mhz": clock,
    }
    result["resources"] = _resources(spec, board, options)
    if options.network is not None:
        result["network"] = _network(spec, clock, options, result["resources"])
    if not options.json:
        _print(result, board)
    return result


def _machine(board: Board, options: argparse.Namespace) -> MachineSpec:
    given = {n: getattr(options, n) for n in SPEC_FIELDS if getattr(options, n) is not None}
    plain = options.rows is not None and options.rows.isdecimal()
    if plain:
        given["rows"] = int(options.rows)
    spec = default_machine(board)
    if options.rows is not None and not plain:
        # Checked all at once: new rows may need other lanes and the reverse.
        from models.row_classes import parse_row_classes

        try:
            classes = parse_row_classes(options.rows)
        except ValueError as error:
            raise UserError(f"--rows: {error}") from None
        given |= {"classes": classes, "rows": sum(c.rows for c in classes)}
    try:
        return replace(spec, **given)
    except ValueError as error:
        raise UserError(str(error)) from None


def _resources(
    spec: MachineSpec, board: Board, options: argparse.Namespace
) -> dict[str, Any] | None:
    return None


def _network(
    spec: MachineSpec, clock: float, options: argparse.Namespace, resources: dict[str, Any] | None
) -> dict[str, Any]:
    """Cycles, rates, traffic and bounds."""
    from ..estimate.cycle_points import stated_error
    from ..estimate.cycles import BOUNDS, NEEDS, estimate_cycles
    from ..estimate.network import find_network
    from ..estimate.points import Points

    network = find_network(options.network, spec)
    bus = spec.axi_width / 8
    rate = bus if options.bandwidth is None else min(bus, options.bandwidth / clock)
    found = estimate_cycles(Points.of([spec], "xcup"), network.layers, rate)
    for name in NEEDS:
        needed, has = int(found.needs[name][0]), int(found.has[name][0])
        if needed > has:
            raise UserError(
                f"{name} must be at least {needed} for {network.name} on this machine, not {has}"
            )
    cycles = int(found.total[0])
    seconds = cycles / clock / 1e6
    gops = 2 * network.macs / seconds / 1e9
    macs = {layer.name: layer.macs for layer in network.layers}
    return {
        "name": network.name,
        "assumptions": [
            f"clock of {clock:g} MHz: no place-and-route was run",
            f"memory yields {rate * clock:,.0f} MB/s",
            *network.assumptions,
        ],
        "macs": network.macs,
        "cycles": cycles,
        "frames_per_second": 1 / seconds,
        "gops": gops,
        "utilisation": network.macs / cycles / spec.macs_per_cycle,
        **_densities(gops, resources),
        "read_bytes": int(found.read_bytes.sum()),
        "written_bytes": int(found.written_bytes.sum()),
        "error": stated_error(),
        "layers": [
            {
                "name": name,
                "cycles": int(found.cycles[0, index]),
                "busy": int(found.busy[0, index]),
                "bound": BOUNDS[found.bound[0, index]],
                "macs": macs.get(name, 0),
                "read_bytes": int(found.read_bytes[0, index]),
                "written_bytes": int(found.written_bytes[0, index]),
            }
            for index, name in enumerate(found.names)
            if found.cycles[0, index] or found.busy[0, index]
        ],
    }


def _densities(gops: float, resources: dict[str, Any] | None) -> dict[str, float]:
    if resources is None:
        return {}
    found = {"gops_per_klut": gops / resources["lut"]["estimate"] * 1000}
    if resources["dsp"]["estimate"]:
        found["gops_per_dsp"] = gops / resources["dsp"]["estimate"]
    return found


def _print(result: dict[str, Any], board: Board) -> None:
    print(f"Estimates for {board.title}: {result['macs_per_cycle']} MAC/cycle")
    network = result.get("network")
    if network is None:
        return
    error = network["error"]
    print(
        f"{network['name']}: {network['cycles']:,} cycles an image (estimate; of simulated images "
        f"within {100 * error['network_max']:.1f} %, of layers 95 % within "
        f"{100 * error['layer_p95']:.1f} %)"
    )
    print(
        f"  {network['frames_per_second']:,.1f} images a second and {network['gops']:,.1f} GOPS at "
        f"an assumed {result['assumed_clock_mhz']:g} MHz; "
        f"{100 * network['utilisation']:.1f} % of the array's MACs in use"
    )
    print(
        f"  {network['read_bytes']:,} bytes read and {network['written_bytes']:,} written an image"
    )
    for line in network["assumptions"]:
        print(f"  assumed: {line}")
    rows = [
        (
            one["name"], one["cycles"], 100 * one["cycles"] / network["cycles"], one["read_bytes"],
            one["bound"],
        )
        for one in network["layers"]
    ]  # fmt: skip
    print(table(("layer", "cycles", "%", "bytes read", "bound by"), rows))
