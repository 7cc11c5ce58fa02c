"""The app of these tests. Without this the fixtures take that of the `function_app.py` in the root directory."""

import os

import pytest

from azure_durable_py import DFApp

# With a key the agent would ask a real model. The app looks when it is imported.
os.environ.pop("OPENAI_API_KEY", None)

from function_app import app


@pytest.fixture(scope="session")
def durable_app() -> DFApp:
    """The sample app."""
    return app
