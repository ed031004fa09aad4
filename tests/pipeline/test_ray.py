"""Ray's workers write the bytes that the local path writes, also when one of them is lost."""

import os
import signal

import pytest

from tests.pipeline.small import STAGES, contents, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_raylet_start_wait_time_s"] = "200"  # noqa: SIM112  on a busy machine
    os.environ["RAY_AUTH_MODE"] = "disabled"  # no token in the home folder
    ray = pytest.importorskip("ray")
    for attempts_left in (2, 1, 0):  # its agent gives up after 15 seconds, which a busy machine may need
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            break
        except Exception:
            ray.shutdown()
            if not attempts_left:
                raise
    yield
    ray.shutdown()


def lost_once(function, mark, when):
    """The function, in a worker that kills itself at one of the tasks, once: as if its machine went away."""

    def call(*task):
        if when(task) and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*task)

    return call


@pytest.mark.timeout(600)
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
