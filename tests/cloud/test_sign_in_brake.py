"""Few passwords are checked at once, and who is wrong too often waits longer each time."""

import asyncio

import pytest

from cloud.foundation.errors import TooMany, Unavailable
from cloud.foundation.identity.brake import (
    FREE_TRIES,
    FREE_TRIES_OF_ADDRESS,
    LONGEST_WAIT_S,
    SignInBrake,
)
from tests.cloud.desk import run


def wait_of(brake: SignInBrake, name: str, address: str, now_s: float) -> float:
    try:
        brake.require_patience(name, address, now_s)
    except TooMany as error:
        return error.retry_after_s
    return 0.0


def test_no_more_than_its_number_check_at_once_and_few_wait() -> None:
    async def crowd() -> tuple[int, int, int]:
        brake, checking, most, refused = SignInBrake(at_once=2, most_waiting=3), 0, 0, 0

        async def one() -> None:
            nonlocal checking, most, refused
            try:
                async with brake.turn():
                    checking += 1
                    most = max(most, checking)
                    await asyncio.sleep(0.01)
                    checking -= 1
            except Unavailable:
                refused += 1

        await asyncio.gather(*(one() for _ in range(10)))
        await one()
        return most, refused, checking

    assert run(crowd()) == (2, 5, 0)


def test_each_wrong_password_over_the_free_ones_waits_twice_as_long() -> None:
    brake = SignInBrake()
    waits = []
    for _ in range(FREE_TRIES + 20):
        brake.was_wrong("admin", "10.0.0.1", 0.0)
        waits.append(wait_of(brake, "admin", "10.0.0.1", 0.0))
    assert waits[: FREE_TRIES + 3] == [0.0] * (FREE_TRIES - 1) + [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT_S
    assert wait_of(brake, "admin", "10.0.0.1", LONGEST_WAIT_S) == 0.0


def test_nobody_can_keep_the_owner_of_a_name_out() -> None:
    brake = SignInBrake()
    for _ in range(FREE_TRIES_OF_ADDRESS - 1):
        brake.was_wrong("admin", "10.0.0.1", 0.0)
    assert wait_of(brake, "admin", "10.0.0.2", 0.0) == 0.0


def test_an_address_that_tries_many_names_waits_too() -> None:
    brake = SignInBrake()
    for number in range(FREE_TRIES_OF_ADDRESS):
        assert wait_of(brake, "next", "10.0.0.1", 0.0) == 0.0
        brake.was_wrong(f"name-{number}", "10.0.0.1", 0.0)
    with pytest.raises(TooMany, match="try again in 1 s"):
        brake.require_patience("next", "10.0.0.1", 0.0)


def test_a_right_password_begins_anew() -> None:
    brake = SignInBrake()
    for _ in range(FREE_TRIES):
        brake.was_wrong("admin", "10.0.0.1", 0.0)
    brake.was_right("admin", "10.0.0.1")
    assert wait_of(brake, "admin", "10.0.0.1", 0.0) == 0.0


def test_only_so_many_are_remembered() -> None:
    brake = SignInBrake(most_known=10)
    for number in range(1_000):
        brake.was_wrong(f"name-{number}", f"10.0.{number}", 0.0)
    assert len(brake._wrong) == 10
