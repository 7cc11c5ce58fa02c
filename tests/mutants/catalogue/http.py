"""HTTP calls: when it is looked again, who gets credentials, and where requests may go."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "http_call_leaves_its_time_limit",
        "An HTTP call that is over leaves the timer of its time limit, which wakes its instance for nothing.",
        "runtime/http_task.py",
        "        if self._limit is not None:\n            self._limit.cancel()\n",
        "",
        ("tests/runtime/test_http_calls.py::test_a_call_that_is_over_leaves_no_timer",),
    ),
    Mutant(
        "http_retries_outlive_the_call",
        "Attempts of an HTTP call go on after its time is up.",
        "runtime/http_task.py",
        "if isinstance(self._current, TimerTask | RetryTask):",
        "if isinstance(self._current, TimerTask):",
        ("tests/runtime/test_http_calls.py::test_a_timeout_ends_retries",),
    ),
    Mutant(
        "looks_bring_credentials_everywhere",
        "The place to look gets credentials although it is another origin.",
        "runtime/http_task.py",
        "if origin_of_address(place) != origin_of_address(asked.uri):",
        "if False:",
        ("tests/runtime/test_http_calls.py::test_another_origin_gets_no_credentials",),
    ),
    Mutant(
        "redirects_bring_credentials_everywhere",
        "A redirect to another origin brings credentials along.",
        "worker/http/transport.py",
        "if origin_of_address(uri) != origin_of_address(self.uri):",
        "if False:",
        ("tests/worker/test_http_requests.py::test_another_origin_gets_no_credentials_and_never_again",),
    ),
    Mutant(
        "only_names_of_hosts_are_looked_at",
        "A name that is resolved to a forbidden address leads there.",
        "worker/http/transport.py",
        'kept = [item for item in found if not rules.forbids_address(item["host"], host)]',
        "kept = found",
        (
            "tests/worker/test_http_requests.py::test_a_name_that_is_resolved_to_a_forbidden_address_leads_nowhere",
            "tests/worker/test_http_requests.py::test_of_several_addresses_the_allowed_ones_are_tried",
        ),
    ),
    Mutant(
        "first_host_only",
        "Where a redirect leads is not held against the rules for addresses.",
        "worker/http/transport.py",
        "self._check_host(url, request)",
        "self._check_host(_url(request.uri), request)",
        ("tests/worker/test_http_requests.py::test_a_redirect_does_not_lead_to_a_forbidden_address",),
    ),
    Mutant(
        "answers_of_any_size",
        "An answer is kept however large it is.",
        "worker/http/answers.py",
        "if len(body) > self._largest:",
        "if False:",
        ("tests/worker/test_http_requests.py::test_an_answer_that_is_too_large_is_refused_by_its_real_size",),
    ),
    Mutant(
        "secrets_of_http_calls_in_shown_histories",
        "Whoever may see a status sees the headers that an HTTP call sends.",
        "durable_http.py",
        "    return _without_secrets(value) if isinstance(value, str) else None\n",
        "    return value\n",
        ("tests/client/test_history_view.py::test_what_an_http_call_sends_is_not_for_whoever_may_see_a_status",),
    ),
)
