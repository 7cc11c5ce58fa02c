"""The app of these tests. Without this the fixtures take that of the `function_app.py` in the root directory."""

import pytest

from azure_durable_py import DFApp
from function_app import app


@pytest.fixture(scope="session")
def durable_app() -> DFApp:
    """The sample app."""
    return app
