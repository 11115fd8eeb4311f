"""The README's five questions to a log, asked of what the service has really logged"""

import asyncio
import os
import re
import shutil

import pytest

from tests.secrecy import DETECTOR


@pytest.fixture
def questions(repository, in_ci):
    if shutil.which("jq") is None and not in_ci:
        pytest.skip("jq is not installed")
    found = re.findall(r"^jq .*$", (repository / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(found) == 5
    return found


async def answer(question, folder, variables):
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", question, cwd=folder, env=variables, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, question
    return output.decode()


async def test_each_question_of_the_readme_gets_its_answer(questions, make_person, tmp_path):
    ann, ben = await make_person("Ann", super_lover=True), await make_person("Ben")
    call = await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})
    call_id = (await call.json())["data"]["callId"]
    await ann.post(f"/api/calls/{call_id}/accept")
    ended = await ben.post(f"/api/calls/{call_id}/end", {"duration": 0})
    (tmp_path / "log").write_text("\n".join(DETECTOR.lines) + "\n")
    known = {"USER_ID": ben.id, "REQUEST_ID": ended.headers["X-Request-Id"], "PATH": os.environ["PATH"]}

    slow, day, ends, coins, request = [await answer(question, tmp_path, known) for question in questions]

    assert re.search(r"^/api/calls/\{call_id\}/accept\t1\t[\d.]+$", slow, re.MULTILINE)
    assert "\tcall.summary\tuser_hangup\n" in day
    assert "\thttp.request\t/api/calls/initiate\n" in day
    assert ann.id not in day
    assert ends == "user_hangup\t1\n"
    assert coins == "earn\t3\t125\nspend\t1\t-50\n"
    assert all(f'"request_id":"{known["REQUEST_ID"]}"' in line for line in request.splitlines())
    assert {"ledger.entry", "call.summary", "http.request"} <= set(re.findall(r'"event":"([\w.]+)"', request))
