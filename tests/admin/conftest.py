"""Staff, made as an operator would make them."""

import pytest

from tests.admin.desk import Desk, step_up


@pytest.fixture
def make_staff(make_person, outside, sql):
    async def make(role="moderator"):
        person = await make_person("Mod")
        sql("UPDATE users SET role = %s WHERE id = %s", role, person.id)
        _, answer = await step_up(person, outside)
        return Desk(person, answer["data"]["accessToken"])

    return make
