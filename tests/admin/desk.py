"""A moderator's desk, for whichever test needs one."""


class Desk:
    """Requests with the token of an admin session."""

    def __init__(self, person, token):
        self.person = person
        self.auth = {"Authorization": f"Bearer {token}"}

    async def get(self, path, **query):
        response = await self.person.client.get(path, headers=self.auth, params=query)
        return response.status, await response.json()

    async def send(self, method, path, body=None):
        response = await self.person.client.request(method, path, json=body, headers=self.auth)
        return response.status, await response.json()


async def step_up(person, outside):
    await person.client.post("/api/auth/send-otp", json={"phoneNumber": person.phone_number})
    body = {"phoneNumber": person.phone_number, "otpCode": outside.code_for(person.phone_number)}
    response = await person.client.post("/api/admin/auth/login", json=body)
    return response.status, await response.json()


async def report(reporter, reported):
    body = {"targetUserId": reported.id, "reason": "Inappropriate behavior", "description": "Bad words"}
    await reporter.post("/api/users/report", body)
