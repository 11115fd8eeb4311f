"""run.py admin create: the first admin is made where nobody can reach it from outside"""

import asyncio
import os
import sys


async def run(repository, postgres, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(repository / "run.py"), "admin", "create", *arguments,
        env=os.environ | {"ROMANTIC_ENV": "test", "DATABASE_URL": postgres},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_registered_person_becomes_admin_with_a_trail(make_person, repository, postgres, sql):
    ann = await make_person("Ann")

    code, output = await run(repository, postgres, ann.phone_number, "--role", "admin")

    assert (code, output) == (0, f"+***{ann.phone_number[-2:]} is admin now.\n")
    assert sql("SELECT role FROM users") == [("admin",)]
    assert sql("SELECT actor_id, action, before ->> 'role', after ->> 'role' FROM admin_audit") == [
        (None, "user.set_role", "user", "admin")
    ]


async def test_nobody_is_made_staff_who_has_not_registered(client, repository, postgres):
    code, output = await run(repository, postgres, "+15550009999")

    assert code == 1
    assert "no such person" in output
