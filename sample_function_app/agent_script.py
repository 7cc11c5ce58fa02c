"""What stands in for a model in the sample: it answers as a script has it, by what has been said so far.

It needs no provider and no network, and its answers are the same each time.
"""

import json
import re
from typing import Any

from agents import Model, ModelProvider, ModelResponse
from agents.testing import assistant_message, function_call
from agents.usage import Usage


class ScriptedModels(ModelProvider):
    """The scripted model, under whatever name."""

    def get_model(self, model_name: str | None) -> Model:
        """The model."""
        del model_name
        return ScriptedModel()


class ScriptedModel(Model):
    """Answers complaints about orders."""

    async def get_response(self, system_instructions: str | None, input: Any, *given: Any, **options: Any) -> Any:
        """The next thing to say, or the tools to call."""
        del system_instructions, given, options
        said = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
        output = next_output(str(said[0]["content"]), results_of(said))
        usage = Usage(requests=1, input_tokens=100 * len(said), output_tokens=20, total_tokens=100 * len(said) + 20)
        return ModelResponse(output=[output], usage=usage, response_id=None)

    def stream_response(self, *given: Any, **options: Any) -> Any:
        """Nothing is streamed."""
        raise NotImplementedError


def next_output(complaint: str, results: dict[str, str]) -> Any:
    """What the script has a model say next, by what its tools gave."""
    if "find" not in results:
        number = re.search(r"\d+", complaint)
        return function_call("find_order", {"order_id": number[0] if number else "?"}, call_id="find")
    order = json.loads(results["find"])
    if order["price"] and "refund" not in results:
        asked = {"given": {"order_id": order["id"], "amount": order["price"]}}
        return function_call("give_back", asked, call_id="refund")
    if "write" not in results:
        return function_call("transfer_to_letter_writer", {}, call_id="write")
    if not order["price"]:
        return assistant_message(f"We are sorry, but there is no order {order['id']}.")
    return assistant_message(f"About your {order['item']}: {results['refund']}")


def results_of(said: list[Any]) -> dict[str, str]:
    """What the tools gave, by the ids of their calls."""
    return {item["call_id"]: item["output"] for item in said if item.get("type") == "function_call_output"}
