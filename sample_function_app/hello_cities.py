"""Function chaining: one activity after the other, in either style.

Every `await` (or `yield`) is a checkpoint. When the process dies between two of them, another
one replays the function up to there - with the recorded results, without running the
activities again - and goes on.
"""

import azure_durable_py as df

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
async def hello_cities(context: df.DurableOrchestrationContext) -> list[str]:
    """Greet three cities, in order."""
    tokyo = await context.call_activity(say_hello, "Tokyo")
    seattle = await context.call_activity(say_hello, "Seattle")
    london = await context.call_activity(say_hello, "London")
    return [tokyo, seattle, london]


# The style of azure-functions-durable: a generator that yields what it waits for, and activities by name.
@bp.orchestration_trigger(context_name="context")
def hello_cities_generator(context: df.DurableOrchestrationContext):
    """Greet three cities, in order."""
    greetings = []
    for city in ("Tokyo", "Seattle", "London"):
        greeting = yield context.call_activity("say_hello", city)
        greetings.append(greeting)
    return greetings


@bp.activity_trigger(input_name="city")
def say_hello(city: str) -> str:
    """Activities do the work: ordinary functions, sync or async, free to do I/O."""
    return f"Hello {city}!"
