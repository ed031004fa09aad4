"""A batcher: requests that come within a window share one call of the model.

    opens     the model is free and somebody waits
    closes    `window` seconds later, or as soon as `largest` items are there
    runs      in a thread, so that the server goes on taking requests

One call at a time: the next batch opens when the one before is answered. `workbook.serving.queue.together` computes
what this does.

Taught in 21.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from workbook.support.checks import check_positive

KEPT = 10_000  # sizes of the last so many batches
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Collects items of many callers, runs them together, and gives each caller the answer to its own.

        async with Batcher(run, window=0.005, largest=32) as batcher:
            answer = await batcher.ask(item)

    Args:
        run: items -> as many answers, in their order; it is called in a thread, never twice at once.
        window: seconds that a batch stays open; 0 takes those that wait already.
        largest: items in a batch at most.
    Raises:
        ValueError: largest is below 1, or window below 0.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Answer]], window: float = 0.0, largest: int = 32):
        check_positive(largest=largest)
        if window < 0:
            raise ValueError(f"window must be 0 or more seconds, got {window}")
        self.run, self.window, self.largest = run, window, largest
        self.sizes: deque[int] = deque(maxlen=KEPT)  # of the last batches
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Answer]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Batcher[Item, Answer]":
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait()[1].cancel()

    async def ask(self, item: Item) -> Answer:
        """The answer to one item, whatever batch it has been in.

        Raises:
            Exception: whatever `run` raised for the batch.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, future))
        return await future

    async def _serve(self) -> None:
        while True:
            batch = await self._collect()
            waiting = [(item, future) for item, future in batch if not future.done()]  # the others have gone away
            if not waiting:
                continue
            items = [item for item, _ in waiting]
            self.sizes.append(len(items))
            try:
                answers: Sequence[Any] = await asyncio.to_thread(self.run, items)
                if len(answers) != len(items):
                    raise ValueError(f"run gave {len(answers)} answers to {len(items)} items")
            except Exception as error:
                answers = [error] * len(items)
            for (_, future), answer in zip(waiting, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _collect(self) -> list[tuple[Item, "asyncio.Future[Answer]"]]:
        """The next batch: its window counts from the moment the first is taken, and does not start again."""
        batch = [await self._queue.get()]
        loop = asyncio.get_running_loop()
        closes = loop.time() + self.window
        while len(batch) < self.largest:
            try:
                batch.append(self._queue.get_nowait())
            except asyncio.QueueEmpty:
                left = closes - loop.time()
                if left <= 0:
                    break
                try:
                    batch.append(await asyncio.wait_for(self._queue.get(), left))
                except TimeoutError:
                    break
        return batch
