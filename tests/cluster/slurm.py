"""A real Slurm on this machine: a controller and two pretended nodes, for as long as a test runs.

Needs root and the packages munge, slurmctld, slurmd and slurm-client, and a machine on which Slurm
is not configured. State, keys and logs are in one folder, and daemons listen on free ports of the
loopback interface. ``python tests/cluster/slurm.py FOLDER`` keeps it running until interrupted.
"""

import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

CONFIGURED = Path("/etc/slurm/slurm.conf")
"""Where jobs look: the executor plugin does not hand SLURM_CONF on to them."""

DAEMONS = ("munged", "slurmctld", "slurmd")
NODES = ("n1", "n2")

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,bf_interval=5
ReturnToService=2
KillWait=20
MailProg=/bin/true
StateSaveLocation={folder}/controller
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/slurmd.%n.pid
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=16000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=16000
PartitionName=main Nodes=n1,n2 Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes=n1,n2 PriorityTier=2 PreemptMode=OFF State=UP
"""


def missing() -> str | None:
    """Why no Slurm can be started here, or None."""
    absent = [name for name in (*DAEMONS, "sbatch") if which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid() != 0:
        return "only root can start Slurm's daemons"
    return f"{CONFIGURED} exists: another Slurm is in use" if CONFIGURED.exists() else None


def which(name: str) -> str | None:
    """Where a program is; daemons are in folders that not everybody searches."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Start Slurm with its files in ``folder``, and stop it with all its jobs."""
    with ExitStack() as daemons:
        configure(folder)
        daemons.callback(CONFIGURED.unlink)
        munge = ["--force", "--foreground", f"--key-file={folder}/munge.key"]
        munge += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "seed", "log")]
        start(daemons, folder, "munged", *munge, f"--socket={folder}/munge.socket")
        until((folder / "munge.socket").exists)
        start(daemons, folder, "slurmctld", "-D")
        for node in NODES:
            start(daemons, folder, "slurmd", "-D", "-N", node)
        # Each node is listed in both partitions.
        until(lambda: output("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * 4)
        try:
            yield
        finally:
            output("scancel", "--user=root")
            until(lambda: not output("squeue", "-h"))


def start(daemons: ExitStack, folder: Path, name: str, *arguments: str) -> None:
    """Start a daemon that ends with ``daemons``; what it says goes to a file."""
    with (folder / f"{name}.log").open("a") as log:
        daemon = subprocess.Popen([which(name), *arguments], stdout=log, stderr=log)
    daemons.callback(daemon.wait)
    daemons.callback(daemon.terminate)


def output(*command: str) -> str:
    """What a client prints; nothing where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def configure(folder: Path) -> None:
    """Write the configuration and a key."""
    for name in ("controller", *NODES):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    host = platform.node().partition(".")[0]
    ports = free_ports(1 + len(NODES))
    CONFIGURED.parent.mkdir(exist_ok=True)
    CONFIGURED.write_text(CONFIGURATION.format(folder=folder, host=host, ports=ports))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition; TimeoutError where it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("Slurm is not ready; see the logs in its folder")
        time.sleep(0.2)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt), running(Path(sys.argv[1]).resolve()):
        print("Slurm is running; press Ctrl-C to stop it", flush=True)
        signal.pause()
