"""A function app: its decorators, and what they make of functions."""

from azure_durable_py.app.adoption import PlainApp, adopted
from azure_durable_py.app.builders import DurableFunction
from azure_durable_py.app.entry_points import Entity, Orchestrator
from azure_durable_py.app.function_app import Blueprint, DFApp

__all__ = ["Blueprint", "DFApp", "DurableFunction", "Entity", "Orchestrator", "PlainApp", "adopted"]
