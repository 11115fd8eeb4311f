"""Climbs the ladder: one step after the other, none longer than it may take, and the last one in any case."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from romantic.cli.probe.causes import explain
from romantic.cli.probe.figures import Thresholds, judge
from romantic.cli.probe.outcome import Found, LeftOut, Outcome, Rung, Trouble

LETTING_GO_SECONDS = 1.0  # for a step to notice that it was cancelled


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does, how long it may take, and which steps must have held before it.

    `always`: tried whatever became of the others, also after the run was stopped. `optional`: where it is
    left out on purpose, those that need it go on.
    """

    name: str
    run: Callable[[], Awaitable[Found]]
    seconds: float
    needs: tuple[str, ...] = ()
    always: bool = False
    optional: bool = False


class Progress(Protocol):
    """Whoever wants to see the steps as they are done."""

    def starting(self, name: str) -> None: ...

    def tell(self, rung: Rung) -> None: ...


class Ladder:
    """The steps of one run. Ends within its deadline and the time of its last step."""

    def __init__(
        self,
        steps: Sequence[Step],
        thresholds: Thresholds,
        *,
        seconds: float,
        left_out: Sequence[str] = (),
        progress: "Progress | None" = None,
    ) -> None:
        self._steps = steps
        self._thresholds = thresholds
        self._seconds = seconds
        self._left_out = left_out
        self._progress = progress
        self._rungs: dict[str, Rung] = {}
        self._stopped, self._hurried = asyncio.Event(), asyncio.Event()

    def stop(self) -> None:
        """Leave out what is left, but put things in order; told a second time, not even that."""
        if self._stopped.is_set():
            self._hurried.set()
        self._stopped.set()

    @property
    def was_stopped(self) -> bool:
        return self._stopped.is_set()

    async def climb(self) -> list[Rung]:
        """Every step's rung, in order."""
        deadline = monotonic() + self._seconds
        for step in tuple(self._steps):
            rung = self._without(step, deadline) or await self._try(step, deadline)
            self._rungs[step.name] = rung
            if self._progress is not None:
                self._progress.tell(rung)
        return list(self._rungs.values())

    def _without(self, step: Step, deadline: float) -> Rung | None:
        """The rung of a step that is not tried."""
        reason, is_on_purpose = "", step.name in self._left_out
        if step.always:
            reason = "the run was stopped twice" if self._hurried.is_set() else ""
        elif is_on_purpose:
            reason = "left out by --skip"
        elif self.was_stopped:
            reason = "the run was stopped"
        elif monotonic() >= deadline:
            reason = f"the run had its {self._seconds:g} s: --timeout"
        else:
            reason = self._missing(step)
        if not reason:
            return None
        return Rung(step.name, Outcome.SKIP, facts=reason, holds=is_on_purpose and step.optional)

    def _missing(self, step: Step) -> str:
        for need in step.needs:
            rung = self._rungs[need]
            if not rung.holds:
                what = "failed" if rung.outcome is Outcome.FAIL else "is missing"
                return f"needs {need}, which {what}"
        return ""

    async def _try(self, step: Step, deadline: float) -> Rung:
        if self._progress is not None:
            self._progress.starting(step.name)
        limit = step.seconds if step.always else min(step.seconds, deadline - monotonic())
        began = monotonic()
        task: asyncio.Future[Found] = asyncio.ensure_future(step.run())
        word = self._hurried if step.always else self._stopped
        await self._first(task, limit, word)
        ms = round(1000 * (monotonic() - began), 1)
        if task.done():
            return self._rung(step, ms, _end_of(task))
        task.cancel()
        await asyncio.wait({task}, timeout=LETTING_GO_SECONDS)
        if word.is_set():
            return Rung(step.name, Outcome.SKIP, ms, "the run was stopped", holds=False)
        return self._rung(step, ms, TimeoutError(f"not done within {limit:.3g} s"))

    async def _first(self, task: "asyncio.Future[Found]", limit: float, word: asyncio.Event) -> None:
        """Wait for the step, its time, or word to stop."""
        told = asyncio.ensure_future(word.wait())
        either: set[asyncio.Future[Any]] = {task, told}
        try:
            await asyncio.wait(either, timeout=max(0.0, limit), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()

    def _rung(self, step: Step, ms: float, end: Found | BaseException) -> Rung:
        if isinstance(end, Found):
            return self._judged(step, ms, end)
        if isinstance(end, LeftOut):
            return Rung(step.name, Outcome.SKIP, None, str(end), advice=end.advice, holds=end.harmless)
        trouble: Trouble = explain(end)
        return Rung(step.name, trouble.outcome, ms, "", trouble.cause, trouble.advice, holds=False)

    def _judged(self, step: Step, ms: float, found: Found) -> Rung:
        """What held, against the thresholds: too much of a figure fails the step, but hinders no other."""
        outcome = Outcome.WARN if found.cause else Outcome.OK
        judged = [judge(name, value, self._thresholds) for name, value in found.figures.items()]
        bad = [one for one in judged if one.outcome is not Outcome.OK]
        if any(one.outcome is Outcome.FAIL for one in bad):
            outcome = Outcome.FAIL
        elif bad:
            outcome = Outcome.WARN
        causes = [found.cause, *(one.cause for one in bad)]
        advice = [found.advice, *(one.advice for one in bad)]
        return Rung(
            step.name,
            outcome,
            ms,
            found.facts,
            "; ".join(filter(None, causes)),
            " ".join(dict.fromkeys(filter(None, advice))),
            found.figures,
        )


def _end_of(task: "asyncio.Future[Found]") -> Found | BaseException:
    if task.cancelled():
        return ConnectionError("what it waited for was taken away")
    return task.exception() or task.result()
