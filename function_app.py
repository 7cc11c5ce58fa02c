"""The sample app: every pattern of Durable Functions, one module each.

`make run` serves it on this machine, `func start` on the Azure Functions Core Tools, and a
deployment on Azure, all from this file.
"""

import azure.functions as func

import azure_durable_py as df
from sample_function_app import (
    agent,
    approval,
    async_http_api,
    cleanup,
    entities,
    external_events,
    fan_out_fan_in,
    hello_cities,
    monitor,
    start,
    sub_orchestrations,
    trip_booking,
)

# Anonymous, so that the README's curl lines work everywhere. An app of your own keeps the
# default, FUNCTION: callers then need a key.
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

app.register_functions(start.bp)
app.register_functions(hello_cities.bp)
app.register_functions(fan_out_fan_in.bp)
app.register_functions(async_http_api.bp)
app.register_functions(approval.bp)
app.register_functions(monitor.bp)
app.register_functions(trip_booking.bp)
app.register_functions(cleanup.bp)
app.register_functions(external_events.bp)
app.register_functions(sub_orchestrations.bp)
app.register_functions(entities.bp)
app.register_functions(agent.bp)
