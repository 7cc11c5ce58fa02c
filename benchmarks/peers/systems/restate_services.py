"""The services that Restate calls, as the application that hypercorn serves."""

# The type checker does not see the environment that this runs in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import restate
from restate import Context, ObjectContext, Service, VirtualObject, Workflow, WorkflowContext, WorkflowSharedContext

from benchmarks.peers.measuring import CITIES, greeting

inline = Service("inline")
"""Activities are steps within the handler, which `ctx.run_typed` makes durable."""
called = Service("called")
"""Activities are handlers of a service, which may run anywhere."""
counter = VirtualObject("counter")
waiting = Workflow("waiting")


async def say_hello(name: str) -> str:
    return greeting(name)


@inline.handler("hello_cities")
async def hello_cities_inline(ctx: Context) -> list[str]:
    return [await ctx.run_typed("say_hello", say_hello, name=city) for city in CITIES]


@inline.handler("chain")
async def chain_inline(ctx: Context, length: int) -> int:
    got = [await ctx.run_typed("say_hello", say_hello, name=CITIES[0]) for _ in range(length)]
    return len(got)


@inline.handler("fan_out")
async def fan_out_inline(ctx: Context, width: int) -> int:
    got = await restate.gather(*(ctx.run_typed("say_hello", say_hello, name=str(number)) for number in range(width)))
    return len([await each for each in got])


@called.handler("say_hello")
async def say_hello_called(ctx: Context, name: str) -> str:
    del ctx
    return greeting(name)


@called.handler("hello_cities")
async def hello_cities_called(ctx: Context) -> list[str]:
    return [await ctx.service_call(say_hello_called, arg=city) for city in CITIES]


@called.handler("chain")
async def chain_called(ctx: Context, length: int) -> int:
    got = [await ctx.service_call(say_hello_called, arg=CITIES[0]) for _ in range(length)]
    return len(got)


@called.handler("fan_out")
async def fan_out_called(ctx: Context, width: int) -> int:
    got = await restate.gather(*(ctx.service_call(say_hello_called, arg=str(number)) for number in range(width)))
    return len([await each for each in got])


@inline.handler()
async def child(ctx: Context, name: str) -> str:
    return await ctx.run_typed("say_hello", say_hello, name=name)


@inline.handler()
async def parent(ctx: Context, count: int) -> int:
    got = await restate.gather(*(ctx.service_call(child, arg=str(number)) for number in range(count)))
    return len([await each for each in got])


@counter.handler()
async def add(ctx: ObjectContext, number: int) -> None:
    ctx.set("total", (await ctx.get("total", type_hint=int) or 0) + number)


@counter.handler()
async def total(ctx: ObjectContext) -> int:
    return await ctx.get("total", type_hint=int) or 0


@waiting.main()
async def run(ctx: WorkflowContext) -> str:
    return await ctx.promise("go", type_hint=str).value()


@waiting.handler()
async def go(ctx: WorkflowSharedContext, data: str) -> None:
    await ctx.promise("go", type_hint=str).resolve(data)


app = restate.app([inline, called, counter, waiting])
