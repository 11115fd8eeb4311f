"""The steps of /demo/check one by one, on what a server or a browser may say; and the word above them all."""

import pytest

from tests.browser.conftest import OpenTab, Tab

pytestmark = pytest.mark.browser


@pytest.fixture
async def tab(open_tab: OpenTab) -> Tab:
    return await open_tab("/demo/check")


#: The step alone, on devices as described: {kinds, failure}.
DEVICES = """
async ({ kinds, failure }) => {
  const { DEVICE_STEP } = await import("/web/device_step.js");
  navigator.mediaDevices.enumerateDevices = async () => kinds.map((kind) => ({ kind }));
  navigator.mediaDevices.getUserMedia = async () => {
    if (failure) throw new DOMException("", failure);
    return new MediaStream();
  };
  return DEVICE_STEP.run({}, () => {}).catch((error) => ({ state: "fail", advice: error.advice }));
}
"""


async def test_what_is_wrong_with_camera_and_microphone_is_said(tab: Tab) -> None:
    both = ["audioinput", "videoinput"]
    cases = (
        (both, None, "ok", ""),
        (both, "NotAllowedError", "fail", "Allow camera and microphone"),
        (both, "NotReadableError", "fail", "Another program holds"),
        (["audioinput"], None, "warn", "Audio calls work."),
        (["audiooutput"], None, "fail", "Plug in a microphone"),
    )

    said = [
        await tab.page.evaluate(DEVICES, {"kinds": kinds, "failure": failure})
        for kinds, failure, _, _ in cases
    ]

    assert [one["state"] for one in said] == [state for _, _, state, _ in cases]
    assert [words in one.get("advice", "") for one, (_, _, _, words) in zip(said, cases, strict=True)] == [
        True
    ] * len(cases)


#: One step alone, on what the server and the browser found.
STEP = """
async ({ step, found, relay }) => {
  const { PATH_STEPS } = await import("/web/path_steps.js");
  const { figures, urls, kinds } = { figures: {}, urls: [], kinds: [], ...found };
  const notes = {
    result: Promise.resolve(figures),
    probe: { opened: Promise.resolve() },
    iceServers: [{ urls }],
    candidates: kinds.map((kind) => ({ kind })),
  };
  const { run } = PATH_STEPS.find(({ id }) => id === step);
  const outcome = (async () => run(notes, () => {}, [{ id: "relay", state: relay }]))();
  const { state, advice } = await outcome.catch((error) => ({ state: "fail", advice: error.advice }));
  return [state, Boolean(advice)];
}
"""
PATH = {"rttMs": 40.0, "jitterMs": 2.0, "lossPct": 0.0, "natMapping": "cone", "advice": "Do this."}
TURN = "turn:turn.example:3478"


async def test_what_was_found_of_the_path_decides_each_step_and_what_is_bad_comes_with_advice(
    tab: Tab,
) -> None:
    cases = (
        ("network", {"figures": PATH | {"verdict": "direct"}}, "skip", "ok"),
        ("network", {"figures": PATH | {"verdict": "degraded"}}, "skip", "warn"),
        ("network", {"figures": PATH | {"verdict": "inconclusive"}}, "skip", "warn"),
        ("network", {"figures": PATH | {"verdict": "relay-needed"}}, "ok", "warn"),
        ("network", {"figures": PATH | {"verdict": "udp-blocked"}}, "ok", "warn"),
        ("network", {"figures": PATH | {"verdict": "udp-blocked"}}, "warn", "fail"),
        ("network", {"figures": PATH | {"verdict": "unusable"}}, "ok", "fail"),
        ("packets", {"figures": PATH}, "skip", "ok"),
        ("packets", {"figures": PATH | {"lossPct": 5.0}}, "skip", "warn"),
        ("packets", {"figures": PATH | {"rttMs": 600.0}}, "skip", "warn"),
        ("packets", {"figures": PATH | {"lossPct": 15.0}}, "skip", "fail"),
        ("packets", {"figures": PATH | {"rttMs": None}}, "skip", "fail"),
        ("quality", {"figures": {"mos": 4.2}}, "skip", "ok"),
        ("quality", {"figures": {"mos": 3.2}}, "skip", "warn"),
        ("quality", {"figures": {"mos": 2.1}}, "skip", "fail"),
        ("quality", {"figures": {"mos": None}}, "skip", "skip"),
        ("relay", {}, "skip", "skip"),
        ("relay", {"urls": [TURN], "kinds": ["host", "relay"]}, "skip", "ok"),
        ("relay", {"urls": [TURN], "kinds": ["host"]}, "skip", "warn"),
    )

    found = [
        await tab.page.evaluate(STEP, {"step": step, "found": what, "relay": relay})
        for step, what, relay, _ in cases
    ]

    assert found == [[state, state in ("warn", "fail")] for _, _, _, state in cases]


VERDICT = """
async ([states, figures]) => {
  const { judge } = await import("/web/verdict.js");
  const steps = ["server", "relay", "udp", "quality", "network", "devices"];
  const results = steps.map((id) => ({ id, title: id, state: "ok", words: "", advice: "", ...states[id] }));
  const { state, title } = judge(results, figures);
  return [state, title];
}
"""
FAILED, WEAK = {"state": "fail"}, {"state": "warn"}


async def test_the_worst_step_decides_and_a_relay_carries_what_udp_cannot(tab: Tab) -> None:
    no_relay = {"relay": {"state": "skip"}}
    cases = (
        ({}, None, ["ok", "Calls work from here"]),
        (no_relay, None, ["ok", "Calls work from here"]),
        ({"devices": WEAK}, None, ["warn", "Calls work from here, with limits"]),
        ({"network": WEAK}, {"verdict": "inconclusive"}, ["warn", "Calls probably work from here"]),
        ({"network": WEAK}, {"verdict": "degraded"}, ["warn", "Calls work from here, with limits"]),
        ({"udp": FAILED, "network": WEAK}, None, ["warn", "Calls work from here by the relay"]),
        ({"udp": FAILED, **no_relay}, None, ["fail", "Something stands in the way of calls"]),
        ({"udp": FAILED, "devices": FAILED}, None, ["fail", "Something stands in the way of calls"]),
    )

    said = [await tab.page.evaluate(VERDICT, [states, figures]) for states, figures, _ in cases]

    assert said == [expected for _, _, expected in cases]
