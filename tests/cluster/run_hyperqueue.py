"""Runs the commands of a file as tasks of HyperQueue, on two workers with one core each: `run_hyperqueue.py COMMANDS FOLDER [KILL]`.

With KILL, the process of a task in that folder is killed after so many seconds, as if its node had died. Prints how many tasks failed."""

import os
import shlex
import signal
import sys
import threading
import time
from pathlib import Path

from hyperqueue import Job, LocalCluster
from hyperqueue.client import FailedJobsException
from hyperqueue.cluster import WorkerConfig


def trainings() -> list[int]:
    """The processes of this one's tasks."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--cell" in words and sys.argv[2].encode() in words:
                found.append(int(entry.name))
    return found


def kill_one(after: float, killed: list[int]) -> None:
    time.sleep(after)
    until = time.monotonic() + 60
    while not killed and time.monotonic() < until:
        for process in trainings()[:1]:
            os.kill(process, signal.SIGKILL)
            killed.append(process)
        time.sleep(0.01)


def main() -> None:
    commands = Path(sys.argv[1]).read_text().splitlines()
    killed: list[int] = []
    if len(sys.argv) > 3:
        threading.Thread(target=kill_one, args=(float(sys.argv[3]), killed), daemon=True).start()
    with LocalCluster() as cluster:
        for _ in range(2):
            cluster.start_worker(WorkerConfig(cores=1))
        client = cluster.client()
        job = Job(max_fails=len(commands))
        for number, command in enumerate(commands, 1):
            job.program(shlex.split(command), name=f"training {number}", stdout=None, stderr=None)
        submitted = client.submit(job)
        try:
            client.wait_for_jobs([submitted])
            failed = 0
        except FailedJobsException as error:
            failed = sum(len(tasks) for tasks in error.failed_tasks.values())
    print(f"killed {len(killed)}, failed {failed}")


if __name__ == "__main__":
    main()
