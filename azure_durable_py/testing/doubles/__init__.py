"""Doubles: what stands in for the functions of an app that is tested."""
