"""What a client answers HTTP requests with: where to look at an instance, or what it came to.

Owns the names and arguments that users call; `DurableOrchestrationClient` has them all.
"""

from __future__ import annotations

from typing import Any, overload

from azure_durable_py.client.executions import RecentExecutions
from azure_durable_py.client.links import (
    HttpAnswer,
    HttpRequestLike,
    ManagementUrls,
    ResponseFactory,
    accepted,
    bare_text,
    origin_of,
)
from azure_durable_py.client.waiter import Waiter, outcome_answer
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.ids import check_instance_id
from azure_durable_py.settings import Settings


class ResponseClient:
    """The part of the durable client that answers HTTP requests."""

    _settings: Settings
    _waiter: Waiter
    _urls: ManagementUrls | None
    _executions: RecentExecutions
    _respond: ResponseFactory | None

    def create_check_status_response(self, request: HttpRequestLike, instance_id: str) -> Any:
        """The 202 answer to a request that started an instance: management URLs, Location, Retry-After.

        :param request: the request being answered; its origin becomes that of the URLs.
        :raises InvalidRequestError: nothing serves management URLs here.
        """
        return self._response(accepted(self.get_client_response_links(request, instance_id)))

    @overload
    def create_http_management_payload(self, instance_id: str, /) -> dict[str, str]: ...
    @overload
    def create_http_management_payload(self, *, instance_id: str) -> dict[str, str]: ...
    @overload
    def create_http_management_payload(self, request: HttpRequestLike | None, instance_id: str) -> dict[str, str]: ...
    def create_http_management_payload(
        self, request: HttpRequestLike | str | None = None, instance_id: str | None = None
    ) -> dict[str, str]:
        """The management URLs of an instance by name.

        It takes the id alone, or a request and the id.

        :param request: their origin is that of this request; without one it is the origin that the host knows of.
        :raises InvalidRequestError: there is no id, nothing serves management URLs here, or their origin is unknown.
        """
        if isinstance(request, str) and instance_id is None:
            request, instance_id = None, request
        if isinstance(request, str) or instance_id is None:
            raise InvalidRequestError("create_http_management_payload takes an instance id, or a request and the id.")
        return self.get_client_response_links(request, instance_id)

    def get_client_response_links(self, request: HttpRequestLike | None, instance_id: str) -> dict[str, str]:
        """The management URLs of an instance by name, with the origin of a request.

        They are good for one execution: the one that this client started or read within the last minute, else the one
        that is there now. When the id is used again, they do not open what took its place.

        :raises InvalidRequestError: nothing serves management URLs here, or their origin is unknown.
        """
        if self._urls is None:
            raise InvalidRequestError(
                "This client knows no management URLs: it was made outside a function app. Serve "
                "azure_durable_py.http.management and give the client `urls`, or use the client's methods."
            )
        origin = None
        if request is not None:
            forwarded = self._settings.http_use_forwarded_host
            origin = origin_of(request.url, request.headers, use_forwarded=forwarded)
        execution_id = self.recent_execution(check_instance_id(instance_id))
        return self._urls.payload(instance_id, origin, execution_id=execution_id)

    def recent_execution(self, instance_id: str) -> str | None:
        """The id of the execution of an instance that this client started or read within the last minute."""
        return self._executions.of(instance_id)

    async def wait_for_completion_or_create_check_status_response(
        self,
        request: HttpRequestLike,
        instance_id: str,
        timeout_in_milliseconds: int = 10000,
        retry_interval_in_milliseconds: int = 1000,
    ) -> Any:
        """Wait for an instance for a while, then answer with its outcome or with its management URLs.

        Answers 200 with the output (Completed), 200 with the status (Terminated, Canceled), 500
        with the status (Failed), else like `create_check_status_response`. An output that is text is the body as
        it is, any other is JSON.

        :param timeout_in_milliseconds: how long to wait.
        :param retry_interval_in_milliseconds: how long to wait between looks, at most.
        :raises InvalidRequestError: the interval is longer than the timeout, or not positive.
        """
        if not 0 < retry_interval_in_milliseconds <= timeout_in_milliseconds:
            raise InvalidRequestError(
                f"retry_interval_in_milliseconds ({retry_interval_in_milliseconds}) must be greater than 0 and at most "
                f"timeout_in_milliseconds ({timeout_in_milliseconds})."
            )
        timeout, interval = timeout_in_milliseconds / 1000, retry_interval_in_milliseconds / 1000
        status = await self._waiter.finished(check_instance_id(instance_id), timeout, interval)
        if status is None:
            return self.create_check_status_response(request, instance_id)
        return self._response(bare_text(outcome_answer(status)))

    def _response(self, answer: HttpAnswer) -> Any:
        return answer if self._respond is None else self._respond(answer)
