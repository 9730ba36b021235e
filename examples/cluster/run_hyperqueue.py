#!/usr/bin/env python3
"""A comparison by HyperQueue (pip install hyperqueue==0.27.0): one task for each training, on a core each.

    abr-film compare --config lab.json --variants none,film,cross_attention --folds subject:5 --seeds 3 --out DIR --list > DIR.txt
    python3 run_hyperqueue.py DIR.txt                # on the cores of this machine
    python3 run_hyperqueue.py DIR.txt SERVER_DIR     # on the workers of a server that `hq server start` started
    abr-film compare --out DIR --gather

A task that is killed with its worker is started again by HyperQueue; what is done is not done twice.
"""

import shlex
import sys
from pathlib import Path

from hyperqueue import Client, Job, LocalCluster
from hyperqueue.cluster import WorkerConfig


def run(client: Client, commands: list[str]) -> None:
    job = Job(max_fails=len(commands))  # one that fails stops no other
    for number, command in enumerate(commands, 1):
        job.program(shlex.split(command), name=f"training {number}")
    client.wait_for_jobs([client.submit(job)])


def main() -> None:
    commands = Path(sys.argv[1]).read_text().splitlines()
    if len(sys.argv) > 2:
        run(Client(sys.argv[2]), commands)
        return
    with LocalCluster() as cluster:
        cluster.start_worker(WorkerConfig())
        run(cluster.client(), commands)


if __name__ == "__main__":
    main()
