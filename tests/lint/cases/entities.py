# bad: other mutable values
from collections import defaultdict


@bp.entity_trigger(entity_name="stock")
class Stock:
    state: dict = {}  # expect: DF501
    counts = defaultdict(int)  # expect: DF501

    def set(self, item: dict) -> None:
        self.state[item["name"]] = item["count"]
        self.counts[item["name"]] += 1


# good: a list for each
@bp.entity_trigger(entity_name="basket")
class Basket:
    def __init__(self) -> None:
        self.items: list[str] = []

    def add(self, item: str) -> None:
        self.items.append(item)


# good: dataclasses, models and constants
from dataclasses import dataclass, field

import pydantic

LIMITS = {"cups": 3}


@bp.entity_trigger(entity_name="basket")
@dataclass
class Basket:
    items: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, item: str) -> None:
        self.items.append(item)


@bp.entity_trigger(entity_name="order")
class Order(pydantic.BaseModel):
    items: list[str] = []

    def add(self, item: str) -> None:
        self.items.append(item)


@bp.entity_trigger(entity_name="shelf")
class Shelf:
    KNOWN = ["tea", "cups"]
    count: int = 0

    def put(self, item: str) -> bool:
        self.count += 1
        return item in self.KNOWN and self.count < LIMITS.get(item, 10)


# bad: an operation that keeps the event loop
import time

import requests


@bp.entity_trigger(entity_name="rates")
class Rates:
    value: float = 0.0

    async def refresh(self) -> None:
        self.value = requests.get("https://example.com").json()  # expect: DF502
        time.sleep(1)  # expect: DF502


# good: a plain def, which has a thread of its own
import requests


@bp.entity_trigger(entity_name="rates")
class Rates:
    value: float = 0.0

    def refresh(self) -> None:
        self.value = requests.get("https://example.com").json()


# bad: an async activity that waits in a blocking way
import subprocess
import urllib.request


@bp.activity_trigger(input_name="address")
async def fetch(address: str) -> str:
    subprocess.run(["sync"], check=True)  # expect: DF502
    return urllib.request.urlopen(address).read().decode()  # expect: DF502


# good: async libraries, and threads
import asyncio
import time

import httpx


@bp.activity_trigger(input_name="address")
async def fetch(address: str) -> str:
    await asyncio.sleep(1)
    await asyncio.to_thread(time.sleep, 1)
    await asyncio.to_thread(lambda: time.sleep(1))
    async with httpx.AsyncClient() as http:
        return (await http.get(address)).text


@bp.activity_trigger(input_name="seconds")
def nap(seconds: int) -> None:
    time.sleep(seconds)
