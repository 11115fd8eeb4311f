"""call-meter: a monitor that opens while the clock runs raises the evidence, and both phones are told."""

from romantic.rtc.client import MonitorClient
from tests.calls.stage import alive, connected


async def open_monitor(call, phone):
    monitor = MonitorClient()
    answer = await phone.ask("monitor-offer", callId=call.id, sdp=await monitor.offer())
    await monitor.accept(answer["sdp"])
    await monitor.wait_open()
    return monitor


async def test_a_monitor_that_opens_later_is_told_at_once(stage, connect):
    ann, bea = await stage.pair()
    caller, receiver = await connect(ann), await connect(bea)
    call = await stage.answered(ann, bea)
    began = await connected(call, caller, receiver)
    at_first = await caller.expect("call-meter")

    async with alive(caller, receiver):
        first = await open_monitor(call, caller)
        raised = await caller.expect("call-meter")
        second = await open_monitor(call, receiver)
        both = await caller.expect("call-meter")

    assert began["evidence"] == "E1"
    assert set(at_first["levels"].values()) == {"E1"}
    assert raised["levels"] == {str(ann.id): "E2", str(bea.id): "E1"}
    assert set(both["levels"].values()) == {"E2"}
    for monitor in (first, second):
        await monitor.close()
