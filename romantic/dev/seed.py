"""Demo people and coin packages for a laptop, written once."""

from collections.abc import Callable
from dataclasses import dataclass

from romantic.auth.phones import phone_hash
from romantic.coins import service as coins
from romantic.db import Connection, Database, load_queries
from romantic.settings import Settings
from romantic.users import service as users

sql = load_queries("dev")


@dataclass(frozen=True, slots=True)
class Person:
    phone_number: str
    full_name: str
    age: int
    gender: str
    bio: str
    location: str
    extra_coins: int = 0
    super_lover_bio: str | None = None


PEOPLE = (
    Person(
        "+10000000001",
        "Ada Lovelace",
        28,
        "female",
        "Numbers, poetry and long walks.",
        "London",
        0,
        "Ask me about engines.",
    ),
    Person(
        "+10000000002", "Ben Franklin", 31, "male", "Kites, glasses and good company.", "Philadelphia", 450
    ),
    Person("+10000000003", "Cleo Dubois", 26, "female", "Coffee first.", "Paris", 100),
    Person("+10000000004", "Dev Patel", 33, "male", "Runs on tea and trains.", "Mumbai", 100),
    Person("+10000000005", "Eve Stone", 24, "other", "Plants, vinyl, rain.", "Berlin", 100),
)
PACKAGES = (("50 Coins", 50, "4.99"), ("120 Coins", 120, "9.99"), ("300 Coins", 300, "19.99"))


async def seed(settings: Settings, *, report: Callable[[str], None] = lambda _name: None) -> None:
    """Everybody who is not there yet, told to `report` one by one, and the packages. Development only."""
    database = Database(settings)
    await database.start()
    try:
        async with database.transaction() as conn:
            for name, amount, price in PACKAGES:
                await conn.run(sql.add_package, name=name, coins=amount, price=price)
            for person in PEOPLE:
                if await users.find_profile_by_phone(conn, phone_number=person.phone_number) is None:
                    await _add(conn, settings, person)
                    report(person.full_name)
    finally:
        await database.stop()


async def _add(conn: Connection, settings: Settings, person: Person) -> None:
    hashed = phone_hash(person.phone_number, settings.otp_pepper)
    user_id = await users.add_user(
        conn,
        phone_number=person.phone_number,
        phone_hash=hashed,
        full_name=person.full_name,
        age=person.age,
        gender=person.gender,
        bio=person.bio,
        location=person.location,
        is_verified=True,
    )
    await coins.welcome(conn, user_id=user_id, phone_hash=hashed, amount=settings.welcome_coins)
    if person.extra_coins:
        await coins.add_entry(
            conn,
            user_id=user_id,
            entry_type="earn",
            amount=person.extra_coins,
            key=f"demo:{user_id}",
            description="Demo coins",
        )
    if person.super_lover_bio:
        await conn.run(sql.make_super_lover, user_id=user_id, bio=person.super_lover_bio)
