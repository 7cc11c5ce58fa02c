"""Entities: a counter, a rate limiter that is a class, and a transfer under two locks.

curl -X POST localhost:7071/api/counters/visits/add -d 5
curl localhost:7071/api/counters/visits
curl -X POST "localhost:7071/api/transfer?from=alice&to=bob&amount=30"
"""

import json
from dataclasses import dataclass
from datetime import timedelta

import azure.functions as func

import azure_durable_py as df

bp = df.Blueprint()


@bp.entity_trigger(context_name="context", entity_name="counter")
def counter(context: df.DurableEntityContext):
    """A function is called once per operation."""
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    elif context.operation_name == "reset":
        context.destruct_on_exit()
        return
    context.set_result(value)


@bp.entity_trigger(entity_name="limiter")
@dataclass
class Limiter:
    """Of a class, each public method is an operation, and the fields are the state."""

    allowed: int = 3
    used: int = 0

    async def take(self) -> bool:
        """One more, if there is room."""
        if self.used >= self.allowed:
            return False
        if self.used == 0:
            # What an operation sends leaves with its effects: here, a signal to itself.
            context = df.entity_context()
            context.signal_entity(context.entity_id, "clear", signal_time=timedelta(minutes=1))
        self.used += 1
        return True

    async def clear(self) -> None:
        """Begin a new minute."""
        self.used = 0


@bp.entity_trigger(context_name="context", entity_name="account")
def account(context: df.DurableEntityContext):
    """Holds money; everybody begins with 100."""
    balance = context.get_state(lambda: 100)
    if context.operation_name == "deposit":
        balance += context.get_input()
        context.set_state(balance)
    context.set_result(balance)


@bp.orchestration_trigger(context_name="context")
def transfer(context: df.DurableOrchestrationContext):
    """Move money between two accounts. Nobody sees it gone from one and not yet at the other."""
    order = context.get_input()
    source, target = df.EntityId("account", order["from"]), df.EntityId("account", order["to"])
    with (yield context.lock([source, target])):
        balance = yield context.call_entity(source, "balance")
        if balance < order["amount"]:
            return {"moved": 0, "reason": f"{order['from']} has only {balance}"}
        left = yield context.call_entity(source, "deposit", -order["amount"])
        now = yield context.call_entity(target, "deposit", order["amount"])
    return {"moved": order["amount"], order["from"]: left, order["to"]: now}


@bp.orchestration_trigger(context_name="context")
async def limited(context: df.DurableOrchestrationContext):
    """Ask the limiter of a user whether there is room for one more call."""
    return await context.entity(Limiter, context.get_input()).take()


@bp.route(route="counters/{key}/add", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def add_to_counter(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Signal the counter; the answer does not wait for it."""
    amount = int(req.get_body() or b"1")
    await client.signal_entity(df.EntityId("counter", req.route_params["key"]), "add", amount)
    return func.HttpResponse(status_code=202)


@bp.route(route="counters/{key}", methods=["GET"])
@bp.durable_client_input(client_name="client")
async def read_counter(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Read the counter as of its last operation."""
    found = await client.read_entity_state(df.EntityId("counter", req.route_params["key"]))
    if not found.entity_exists:
        return func.HttpResponse("There is no such counter.", status_code=404)
    return func.HttpResponse(json.dumps(found.entity_state), mimetype="application/json")


@bp.route(route="transfer", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_transfer(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a transfer and answer with its outcome."""
    order = {"from": req.params["from"], "to": req.params["to"], "amount": int(req.params["amount"])}
    instance_id = await client.start_new(transfer, client_input=order)
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id)
