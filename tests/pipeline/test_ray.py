"""Ray's workers write the bytes that the local path writes, also when one of them is lost."""

import contextlib
import os
import signal
import socket

import pytest

from tests.helpers.small import STAGES, contents, run

pytestmark = pytest.mark.slow


PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine that also starts on a busy one.

    Ray starts two agents in Python, and its raylet ends itself when they have not written their ports into files
    after 15 seconds, a fixed number (https://github.com/ray-project/ray/issues/65983). Ports that are chosen
    beforehand need not be waited for; one of them Ray does not hand on to the raylet.
    """
    ray = pytest.importorskip("ray")
    from ray._private import services
    from ray.cluster_utils import Cluster

    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    start = services.start_ray_process

    def start_with_port(command, kind, *args, **options):
        port = [f"--dashboard_agent_listen_port={ports['dashboard_agent_listen_port']}"] if kind == "raylet" else []
        return start([*command, *port], kind, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # no token in the home folder
        patch.setenv("RAY_agent_register_timeout_ms", "300000")
        patch.setenv("RAY_worker_register_timeout_seconds", "300")
        patch.setattr(services, "start_ray_process", start_with_port)
        fewer = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **fewer, **ports})
        try:
            ray.init(address=made.address, log_to_driver=False)
            yield
        finally:
            ray.shutdown()
            made.shutdown()


def free_ports(number):
    """Ports of this machine that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]


def lost_once(function, mark, when):
    """The function, in a worker that kills itself at one of the tasks, once: as if its machine went away."""

    def call(*task):
        if when(task) and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*task)

    return call


@pytest.mark.timeout(1800)
def test_encoding_and_mining_survive_the_loss_of_a_worker(tmp_path, cluster, monkeypatch):
    from workbook.pipeline import encode_stage, mine_stage, ray_jobs

    local, spread = tmp_path / "local", tmp_path / "spread"
    run(local)
    run(spread, "train")

    monkeypatch.setattr(
        encode_stage,
        "encode_task",
        lost_once(encode_stage.encode_task, tmp_path / "lost-encoding", lambda task: task[1] == "corpus-00001.npy"),
    )
    ray_jobs.encode(spread, workers=2, shard_rows=150)
    for name in ("index", "search", "evaluate"):
        STAGES[name](spread)
    monkeypatch.setattr(
        mine_stage, "mine_task", lost_once(mine_stage.mine_task, tmp_path / "lost-mining", lambda task: task[2] == 1)
    )
    ray_jobs.mine(spread, "train", workers=2, num_negatives=3, batch_queries=16)
    assert (tmp_path / "lost-encoding").exists()
    assert (tmp_path / "lost-mining").exists()
    assert contents(spread) == contents(local)
