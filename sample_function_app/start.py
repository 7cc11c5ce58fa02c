"""Starting orchestrations over HTTP.

`POST /api/orchestrators/{name}` starts the orchestrator of that name; the body is its input as
JSON, or empty. `POST /api/orchestrators/{name}/{id}` gives the instance an id of your choice.
"""

import json

import azure.functions as func

import azure_durable_py as df

bp = df.Blueprint()


@bp.route(route="orchestrators/{name}/{id?}", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def start_orchestrator(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start an orchestration and answer with the URLs that manage it (202)."""
    name = req.route_params["name"]
    instance_id = req.route_params.get("id") or None
    body = req.get_body()
    try:
        value = json.loads(body) if body.strip() else None
    except ValueError as error:
        return func.HttpResponse(f"The body is not JSON: {error}\n", status_code=400)
    try:
        instance_id = await client.start_new(name, instance_id, value)
    except df.InstanceAlreadyExistsError as error:
        return func.HttpResponse(f"{error}\n", status_code=409)
    except (df.FunctionNotFoundError, df.InvalidInstanceIdError, df.SerializationError) as error:
        return func.HttpResponse(f"{error}\n", status_code=400)
    return client.create_check_status_response(req, instance_id)
