"""`make fleet-demo`, `make fleet-torture` and `make fleet-scale`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fleet_trial.scale import scale
from fleet_trial.torture import torture
from fleet_trial.trial import Trial, open_trial


def main() -> int:
    """Run one of them; 0 where the union is the truth."""
    parser = argparse.ArgumentParser(prog="fleet_trial", description=__doc__)
    parser.add_argument("mode", choices=("demo", "torture", "scale"))
    parser.add_argument("--seconds", type=float, default=600, help="how long to torture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, default=6_000, help="in all servers together")
    parser.add_argument("--stay", action="store_true", help="demo: serve until Ctrl-C")
    parser.add_argument("--servers", type=int, default=20, help="scale: how many")
    parser.add_argument("--addresses", type=int, default=1_000_000, help="scale: of each server")
    options = parser.parse_args()
    if options.mode == "scale":
        with tempfile.TemporaryDirectory() as directory:
            print(scale(Path(directory), options.servers, options.addresses))
        return 0
    with (
        tempfile.TemporaryDirectory() as directory,
        open_trial(Path(directory), queries=options.queries) as trial,
    ):
        if options.mode == "demo":
            return demo(trial, stay=options.stay)
        left, report = torture(trial, options.seconds, options.seed)
        print(report)
        print("\n".join(left) or "nothing lost, nothing doubled: the union is the truth")
        return bool(left)


def demo(trial: Trial, *, stay: bool) -> int:
    """Three servers and the union of them; said is whether it is the truth."""
    shards = len(trial.cluster.shards) if trial.cluster else 1
    print(f"three simulated servers, {shards} shard(s), started {time.strftime('%H:%M:%S')}")
    for daemon in (*trial.servers.values(), trial.union):
        daemon.start()
    left = trial.settle()
    print("\n".join(left) or "every hour, week, day and seven days: the union is the truth")
    if not left and stay:
        print(
            f"the page of the union: http://127.0.0.1:{trial.port}  (Ctrl-C ends all)", flush=True
        )
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            pass
    return bool(left)


if __name__ == "__main__":
    sys.exit(main())
