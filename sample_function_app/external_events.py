"""External events: wait for several of them, in any order and at any time.

Events that arrive before anybody waits for them are kept, and taken in the order they came.
"""

from dataclasses import dataclass

import azure_durable_py as df

bp = df.Blueprint()


@dataclass
class Order:
    """Input: how many parcels the order is packed into."""

    parcels: int = 2


@bp.orchestration_trigger(context_name="context", input_type=Order)
async def ship_order(context: df.DurableOrchestrationContext) -> dict[str, object]:
    """Ship an order once it is `Paid` and its `Address` is known, parcel by parcel as they are `Packed`."""
    order: Order = context.get_input() or Order()
    context.set_custom_status("waiting for payment and address")
    _, address = await context.task_all(
        [context.wait_for_external_event("Paid"), context.wait_for_external_event("Address", str)]
    )
    shipped: list[str] = []
    while len(shipped) < order.parcels:
        context.set_custom_status(f"{len(shipped)} of {order.parcels} parcels shipped")
        shipped.append(await context.wait_for_external_event("Packed", str))
    return {"to": address, "parcels": shipped}
